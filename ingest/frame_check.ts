/**
 * Pictures from other machines, held against the bytes that came with them before anything else looks at them. Sizes of
 * raw planes are held against their stride by the library, which publishes them (tele_producer_publish).
 */

import * as grpc from "@grpc/grpc-js";
import type { Frame } from "../proto/gen/telebridge/v1/publish_pb.ts";
import { PixelFormat } from "../proto/gen/telebridge/v1/publish_pb.ts";
import { GrpcError } from "./grpc_service.ts";

/** With the overlay. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** The overlay begins at a multiple of it. */
const ALIGNMENT_BYTES = 64;
/** Pixels; the ring's and JPEG's limit. */
const SIDE_MAX = 65_535;

const FORMATS: ReadonlySet<number> = new Set(
  Object.values(PixelFormat).filter((format) => typeof format === "number" && format > 0)
    .map(Number),
);

/** Bytes that the frame takes in a slot, its overlay included. Throws INVALID_ARGUMENT for one that contradicts itself. */
export function checkFrame(frame: Frame): number {
  const { number, width, height, format, payload, overlay } = frame;
  const refuse = (what: string) =>
    new GrpcError(grpc.status.INVALID_ARGUMENT, `frame ${number}: ${what}`);
  if (!FORMATS.has(format)) throw refuse(`format ${format} is unknown`);
  if (!isSide(width) || !isSide(height)) {
    throw refuse(`${width} × ${height} pixels; each side is 1 to ${SIDE_MAX}`);
  }
  if (payload.byteLength === 0) throw refuse("it has no payload");
  if (format === PixelFormat.H264 && !beginsAccessUnit(payload)) {
    throw refuse("its payload does not begin as an access unit in Annex B");
  }
  if (format === PixelFormat.JPEG && (payload[0] !== 0xff || payload[1] !== 0xd8)) {
    throw refuse("its payload does not begin as a JPEG");
  }
  let bytes = payload.byteLength;
  if (overlay !== undefined) {
    if (!isSide(overlay.width) || !isSide(overlay.height)) {
      throw refuse(`its overlay has ${overlay.width} × ${overlay.height} cells`);
    }
    const cells = overlay.width * overlay.height;
    if (overlay.heat.byteLength !== cells) {
      throw refuse(`its overlay has ${overlay.heat.byteLength} bytes for ${cells} cells`);
    }
    bytes = Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES + cells;
  }
  if (bytes > FRAME_BYTES_MAX) throw refuse(`${bytes} bytes; at most ${FRAME_BYTES_MAX}`);
  return bytes;
}

function isSide(pixels: number): boolean {
  return pixels >= 1 && pixels <= SIDE_MAX;
}

/** A start code of three or four bytes (H.264, annex B). */
function beginsAccessUnit([a, b, c, d]: Uint8Array): boolean {
  return a === 0 && b === 0 && (c === 1 || (c === 0 && d === 1));
}
