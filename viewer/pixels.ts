/**
 * The ring's raw pixel formats turned into RGBA on the CPU: what the 2D renderer draws, and what the shader must equal.
 *
 * Alpha is ignored: an environment's picture is opaque, whatever its fourth channel holds. YUV is BT.709, limited range
 * (Rec. ITU-R BT.709-6, item 3; the same numbers as in renderer_webgl.ts).
 */

import { type FrameHeader, PixelFormat } from "../proto/wire.ts";

const FORMAT_NAMES: Record<number, string> = {
  [PixelFormat.Rgb8]: "RGB8",
  [PixelFormat.Rgba8]: "RGBA8",
  [PixelFormat.Bgra8]: "BGRA8",
  [PixelFormat.Gray8]: "GRAY8",
  [PixelFormat.Nv12]: "NV12",
  [PixelFormat.I420]: "I420",
  [PixelFormat.H264]: "H.264",
  [PixelFormat.Jpeg]: "JPEG",
};

export function formatName(format: number): string {
  return FORMAT_NAMES[format] ?? `format ${format}`;
}

/** A picture's geometry, checked: every plane lies within the payload. */
export type RawPicture = Pick<FrameHeader, "width" | "height" | "format" | "stride">;

/** Bytes per row of a chroma plane: NV12 interleaves U and V, I420 has two planes of half the stride. */
export function chromaStride(picture: RawPicture): number {
  return picture.format === PixelFormat.I420 ? (picture.stride + 1) >> 1 : picture.stride;
}

/** Bytes that a picture's planes take, without its overlay. Throws on a format that is not raw. */
export function pictureBytes(picture: RawPicture): number {
  const { width, height, stride, format } = picture;
  const chromaRows = (height + 1) >> 1;
  switch (format) {
    case PixelFormat.Rgb8:
      return stride * (height - 1) + width * 3;
    case PixelFormat.Rgba8:
    case PixelFormat.Bgra8:
      return stride * (height - 1) + width * 4;
    case PixelFormat.Gray8:
      return stride * (height - 1) + width;
    case PixelFormat.Nv12:
      return stride * (height + chromaRows);
    case PixelFormat.I420:
      return stride * height + 2 * chromaStride(picture) * chromaRows;
    default:
      throw new Error(`cannot draw ${formatName(format)}: this viewer draws raw pictures only`);
  }
}

const OPAQUE = 0xff000000;

/** Writes the picture in `bytes` as RGBA words (little-endian) into `out`, which holds width × height of them. */
export function toRgba(picture: RawPicture, bytes: Uint8Array, out: Uint32Array): void {
  switch (picture.format) {
    case PixelFormat.Rgb8:
      return packedToRgba(picture, bytes, out, 3, 0, 1, 2);
    case PixelFormat.Rgba8:
      return packedToRgba(picture, bytes, out, 4, 0, 1, 2);
    case PixelFormat.Bgra8:
      return packedToRgba(picture, bytes, out, 4, 2, 1, 0);
    case PixelFormat.Gray8:
      return packedToRgba(picture, bytes, out, 1, 0, 0, 0);
    default:
      return yuvToRgba(picture, bytes, out);
  }
}

function packedToRgba(
  { width, height, stride }: RawPicture,
  bytes: Uint8Array,
  out: Uint32Array,
  pixelBytes: number,
  red: number,
  green: number,
  blue: number,
): void {
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = y * stride; x < width; x++, from += pixelBytes) {
      out[to++] = (OPAQUE | bytes[from + blue]! << 16 | bytes[from + green]! << 8 |
        bytes[from + red]!) >>> 0;
    }
  }
}

function yuvToRgba(picture: RawPicture, bytes: Uint8Array, out: Uint32Array): void {
  const { width, height, stride } = picture;
  const uvStride = chromaStride(picture);
  const uBegin = stride * height;
  const planar = picture.format === PixelFormat.I420;
  const uvStep = planar ? 1 : 2;
  const vOffset = planar ? uvStride * ((height + 1) >> 1) : 1;
  for (let y = 0, to = 0; y < height; y++) {
    const uvRow = uBegin + (y >> 1) * uvStride;
    for (let x = 0; x < width; x++) {
      const luma = 1.164384 * (bytes[y * stride + x]! - 16);
      const u = uvRow + (x >> 1) * uvStep;
      const cb = bytes[u]! - 128;
      const cr = bytes[u + vOffset]! - 128;
      const red = clampByte(luma + 1.792741 * cr);
      const green = clampByte(luma - 0.213249 * cb - 0.532909 * cr);
      const blue = clampByte(luma + 2.112402 * cb);
      out[to++] = (OPAQUE | blue << 16 | green << 8 | red) >>> 0;
    }
  }
}

function clampByte(value: number): number {
  return value <= 0 ? 0 : value >= 255 ? 255 : (value + 0.5) | 0;
}
