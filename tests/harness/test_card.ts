/**
 * Pictures that a test knows in advance: every byte follows from the format, the size and the frame's number, so the
 * process that publishes and the test that looks need not talk.
 */

import { PixelFormat } from "../../proto/wire.ts";

export interface TestCard {
  /** One of the ring's raw formats. */
  format: number;
  width: number;
  height: number;
  /** Bytes at the end of each row that belong to no pixel. */
  paddingBytes: number;
}

/** Bytes per row of plane 0. */
export function cardStride({ format, width, paddingBytes }: TestCard): number {
  return width * bytesPerPixel(format) + paddingBytes;
}

function bytesPerPixel(format: number): number {
  if (format === PixelFormat.Rgb8) return 3;
  return format === PixelFormat.Rgba8 || format === PixelFormat.Bgra8 ? 4 : 1;
}

/** The colour of a pixel, each channel 0 to 255: gradients that move with the frame, different in each channel. */
export function cardColour(x: number, y: number, frame: number): [number, number, number] {
  return [(x * 3 + frame * 7) & 255, (y * 5 + frame * 11) & 255, (x + y * 2 + frame * 13) & 255];
}

/** Luma and chroma of a sample, within the limited range of BT.709. */
function cardYuv(x: number, y: number, frame: number): [number, number, number] {
  return [16 + (x * 2 + frame * 3) % 220, 16 + (x + frame * 5) % 225, 16 + (y * 3 + frame) % 225];
}

/** The payload's picture, rows padded with a byte that must never be seen. */
export function cardPixels(card: TestCard, frame: number): Uint8Array<ArrayBuffer> {
  if (card.format === PixelFormat.Nv12 || card.format === PixelFormat.I420) {
    return yuvPixels(card, frame);
  }
  const { format, width, height } = card;
  const stride = cardStride(card);
  const pixels = new Uint8Array(stride * height).fill(0xee);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [red, green, blue] = cardColour(x, y, frame);
      const at = y * stride + x * bytesPerPixel(format);
      if (format === PixelFormat.Gray8) pixels[at] = red;
      else if (format === PixelFormat.Bgra8) pixels.set([blue, green, red, 255], at);
      else if (format === PixelFormat.Rgba8) pixels.set([red, green, blue, 255], at);
      else pixels.set([red, green, blue], at);
    }
  }
  return pixels;
}

function yuvPixels(card: TestCard, frame: number): Uint8Array<ArrayBuffer> {
  const { width, height } = card;
  const stride = cardStride(card);
  const chromaRows = (height + 1) >> 1;
  const chromaColumns = (width + 1) >> 1;
  const planar = card.format === PixelFormat.I420;
  const chromaStride = planar ? (stride + 1) >> 1 : stride;
  const chromaBytes = chromaStride * chromaRows * (planar ? 2 : 1);
  const pixels = new Uint8Array(stride * height + chromaBytes).fill(0xee);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) pixels[y * stride + x] = cardYuv(x, y, frame)[0];
  }
  for (let y = 0; y < chromaRows; y++) {
    for (let x = 0; x < chromaColumns; x++) {
      const [, cb, cr] = cardYuv(x, y, frame);
      const row = stride * height + y * chromaStride;
      if (planar) {
        pixels[row + x] = cb;
        pixels[row + chromaStride * chromaRows + x] = cr;
      } else pixels.set([cb, cr], row + x * 2);
    }
  }
  return pixels;
}

/**
 * The picture as a person sees it: RGB rows without padding. YUV is converted in floating point from the definition of
 * BT.709 (Kr = 0.2126, Kb = 0.0722), not from the viewer's coefficients.
 */
export function cardRgb(card: TestCard, frame: number): Uint8Array {
  const { format, width, height } = card;
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      if (format === PixelFormat.Nv12 || format === PixelFormat.I420) {
        const luma = cardYuv(x, y, frame)[0];
        const [, cb, cr] = cardYuv(x >> 1, y >> 1, frame);
        rgb.set(bt709(luma, cb, cr), at);
      } else {
        const [red, green, blue] = cardColour(x, y, frame);
        rgb.set(format === PixelFormat.Gray8 ? [red, red, red] : [red, green, blue], at);
      }
    }
  }
  return rgb;
}

function bt709(luma: number, cb: number, cr: number): [number, number, number] {
  const kr = 0.2126;
  const kb = 0.0722;
  const y = (luma - 16) / 219;
  const pb = (cb - 128) / 224;
  const pr = (cr - 128) / 224;
  const red = y + 2 * (1 - kr) * pr;
  const blue = y + 2 * (1 - kb) * pb;
  const green = (y - kr * red - kb * blue) / (1 - kr - kb);
  const byte = (value: number) => Math.round(Math.min(1, Math.max(0, value)) * 255);
  return [byte(red), byte(green), byte(blue)];
}
