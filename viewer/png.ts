/**
 * Writes a PNG (W3C PNG, third edition) of exact pixels: 8-bit RGB, no filter, no colour profile. A canvas would
 * encode too, but through its own colour management.
 */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const COLOUR_TYPE_RGB = 2;

/** `rgba` holds rows from the top, four bytes a pixel; alpha is left out. */
export async function encodePng(
  rgba: Uint8Array,
  width: number,
  height: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, COLOUR_TYPE_RGB, 0, 0, 0], 8);
  const parts = [
    new Uint8Array(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", await deflate(scanlines(rgba, width, height))),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Rows of RGB, each behind its filter type 0. */
function scanlines(rgba: Uint8Array, width: number, height: number): Uint8Array<ArrayBuffer> {
  const lines = new Uint8Array((width * 3 + 1) * height);
  for (let y = 0, from = 0, to = 0; y < height; y++) {
    lines[to++] = 0;
    for (let x = 0; x < width; x++, from += 4) {
      lines[to++] = rgba[from]!;
      lines[to++] = rgba[from + 1]!;
      lines[to++] = rgba[from + 2]!;
    }
  }
  return lines;
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  // "deflate" is the zlib format (RFC 1950), which is what PNG holds.
  const compressed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(compressed).arrayBuffer());
}

function chunk(type: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(12 + body.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.byteLength);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(body, 8);
  view.setUint32(8 + body.byteLength, crc32(bytes.subarray(4, 8 + body.byteLength)));
  return bytes;
}

/** CRC-32 of ISO 3309, bit by bit: a picture is saved by hand, not 60 times a second. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
