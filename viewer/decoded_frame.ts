/** What passes from stage to stage: a frame as it was received, and as it can be drawn. */

import { FRAME_PAYLOAD_OFFSET, type FrameHeader } from "../proto/wire.ts";
import type { FrameLease } from "./frame_lease.ts";
import type { FramePool } from "./frame_pool.ts";

/** A frame message in memory of its own. */
export interface ReceivedFrame {
  bytes: Uint8Array<ArrayBuffer>;
  header: FrameHeader;
  receivedAtMs: number;
}

/** Pixels as the ring holds them, or what a decoder made; the latter may be larger than the header's size. */
export type DecodedPicture =
  | { kind: "raw"; payload: Uint8Array<ArrayBuffer> }
  | { kind: "video"; image: VideoFrame }
  | { kind: "pixels"; image: ImageData }
  | { kind: "bitmap"; image: ImageBitmap };

export interface DecodedFrame {
  header: FrameHeader;
  picture: DecodedPicture;
  /** The overlay's cells, row by row; empty where there is none. */
  overlay: Uint8Array<ArrayBuffer>;
  receivedAtMs: number;
  /** null for raw pictures, which need no decoder. */
  decodedAtMs: number | null;
  /** Picture and overlay may be read while a role of it is held. */
  lease: FrameLease;
}

/** The picture's bytes, without the overlay behind them. */
export function payloadOf({ bytes, header }: ReceivedFrame): Uint8Array<ArrayBuffer> {
  return bytes.subarray(FRAME_PAYLOAD_OFFSET, FRAME_PAYLOAD_OFFSET + header.payloadBytes);
}

/** The overlay's cells within the message. Throws when they are fewer than its size says. */
export function overlayOf({ bytes, header }: ReceivedFrame): Uint8Array<ArrayBuffer> {
  const { frame, overlayWidth, overlayHeight, overlayBytes, overlayOffset } = header;
  const cells = overlayWidth * overlayHeight;
  if (cells > overlayBytes) {
    throw new Error(
      `frame ${frame} is damaged: an overlay of ${overlayWidth} × ${overlayHeight} cells has ${overlayBytes} bytes`,
    );
  }
  const begin = FRAME_PAYLOAD_OFFSET + overlayOffset;
  return bytes.subarray(begin, begin + cells);
}

const NO_CELLS = new Uint8Array(0);

/** An overlay that outlives its message while the picture is decoded: a copy in a buffer of the pool. */
export function keepOverlay(frame: ReceivedFrame, pool: FramePool): Uint8Array<ArrayBuffer> {
  const cells = overlayOf(frame);
  if (cells.byteLength === 0) return NO_CELLS;
  const kept = new Uint8Array(pool.take(cells.byteLength), 0, cells.byteLength);
  kept.set(cells);
  return kept;
}

/** Gives back what {@link keepOverlay} took. */
export function giveOverlayBack(overlay: Uint8Array<ArrayBuffer>, pool: FramePool): void {
  if (overlay !== NO_CELLS) pool.give(overlay.buffer);
}
