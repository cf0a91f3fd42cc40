/**
 * A moving picture that an encoder can do well: smooth colours, a box that moves, and the frame's number as a bar code
 * of large black and white blocks that survives any encoder. Every pixel follows from the size and the number.
 */

/** Bits of the number: a few hours of frames. */
const BITS = 20;
/** Rows of the bar code, as shares of the height: the bits, and under them their complements. */
const BAR_TOP = 1 / 20;
const BAR_ROW = 1 / 20;

/** What moves: everything, nothing but the number of the frame in its header, or nothing and all black. */
export type Scene = "moving" | "still" | "black";

export interface VideoCard {
  width: number;
  height: number;
  scene: Scene;
}

/** RGB rows without padding. */
export function videoCardRgb(
  { width, height, scene }: VideoCard,
  frame: number,
): Uint8Array<ArrayBuffer> {
  if (scene === "black") return new Uint8Array(width * height * 3);
  const rgb = backdrop(width, height).slice();
  const shown = scene === "still" ? 1 : frame;
  const boxWidth = width >> 3;
  const boxHeight = height >> 3;
  const left = shown * 8 % (width - boxWidth);
  const top = (height >> 1) + shown * 2 % ((height >> 1) - boxHeight);
  fill(rgb, width, { left, top, width: boxWidth, height: boxHeight }, [220, 180, 40]);
  for (let bit = 0; bit < BITS; bit++) {
    const level = (shown >> bit) & 1 ? 255 : 0;
    fill(rgb, width, barBlock(width, height, bit, 0), [level, level, level]);
    fill(rgb, width, barBlock(width, height, bit, 1), [255 - level, 255 - level, 255 - level]);
  }
  return rgb;
}

/** Where the bar code is looked at: the middles of its blocks, all bits and then all complements. */
export function barCodePoints(width: number, height: number): [x: number, y: number][] {
  return [0, 1].flatMap((row) =>
    Array.from({ length: BITS }, (_, bit): [number, number] => {
      const block = barBlock(width, height, bit, row);
      return [block.left + (block.width >> 1), block.top + (block.height >> 1)];
    })
  );
}

/** The number, from the levels (0 to 255) at these points; null when the code is not whole. */
export function barCodeOf(levels: readonly number[]): number | null {
  const bits = levels.map((level) => level > 127);
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    if (bits[bit] === bits[BITS + bit]) return null;
    if (bits[bit]) number |= 1 << bit;
  }
  return number;
}

/** The number in a picture of RGB rows. */
export function readBarCode(rgb: Uint8Array, width: number, height: number): number | null {
  return barCodeOf(barCodePoints(width, height).map(([x, y]) => rgb[(y * width + x) * 3 + 1]!));
}

interface Block {
  left: number;
  top: number;
  width: number;
  height: number;
}

function barBlock(width: number, height: number, bit: number, row: number): Block {
  const blockWidth = Math.floor(width / BITS);
  const blockHeight = Math.floor(height * BAR_ROW);
  const top = Math.floor(height * BAR_TOP) + row * blockHeight;
  return { left: bit * blockWidth, top, width: blockWidth, height: blockHeight };
}

function fill(rgb: Uint8Array, rowWidth: number, block: Block, colour: number[]): void {
  const row = new Uint8Array(block.width * 3);
  for (let at = 0; at < row.length; at++) row[at] = colour[at % 3]!;
  for (let y = block.top; y < block.top + block.height; y++) {
    rgb.set(row, (y * rowWidth + block.left) * 3);
  }
}

const backdrops = new Map<string, Uint8Array<ArrayBuffer>>();

function backdrop(width: number, height: number): Uint8Array<ArrayBuffer> {
  const key = `${width}x${height}`;
  const known = backdrops.get(key);
  if (known !== undefined) return known;
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      rgb[at++] = 40 + 160 * x / width;
      rgb[at++] = 40 + 160 * y / height;
      rgb[at++] = 200 - 80 * (x / width + y / height);
    }
  }
  backdrops.set(key, rgb);
  return rgb;
}
