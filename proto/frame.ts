/** Frames: 128 bytes of header as in the ring, then the payload. */

import { requireBytes, viewOf, WireError, writeHead } from "./codec.ts";
import { HEAD_BYTES, MessageType } from "./messages.ts";

/** Pixel formats of the ring (docs/ring.md). */
export const PixelFormat = {
  Rgb8: 1,
  Rgba8: 2,
  Bgra8: 3,
  Gray8: 4,
  Nv12: 5,
  I420: 6,
  H264: 16,
  Jpeg: 17,
} as const;
export type PixelFormat = typeof PixelFormat[keyof typeof PixelFormat];

/**
 * Body of {@link MessageType.Frame}: 128 bytes laid out as the ring's slot header, then the payload (pixels, and the
 * overlay at `overlayOffset`). Five fields mean something else than in the ring: offset 0 is `tSentNs`, 100 is
 * `packet`, 104 is `tWokenNs`, 112 is `framesSkipped`, 120 is `tEncodedNs`.
 */
export interface FrameHeader {
  /** Server's CLOCK_MONOTONIC, ns, when the frame was handed to the transport. */
  tSentNs: bigint;
  /** Number of the frame in its run, from 1. */
  frame: number;
  step: number;
  episode: number;
  reward: number;
  /** CLOCK_MONOTONIC, ns, when the worker had the frame. */
  tMonoNs: bigint;
  /** CLOCK_REALTIME, ns, at the same moment. */
  tRealNs: bigint;
  width: number;
  height: number;
  format: number;
  /** Bytes per row of plane 0. */
  stride: number;
  payloadBytes: number;
  flags: number;
  overlayWidth: number;
  overlayHeight: number;
  overlayFormat: number;
  overlayBytes: number;
  overlayOffset: number;
  /**
   * For formats 16 and 17: the packet's number in the run's encoded stream. A packet that is no keyframe can be decoded
   * only after the one with the number before. 0 for raw formats.
   */
  packet: number;
  /** Server's CLOCK_MONOTONIC, ns, when the hub saw the frame, or a stream's thread sampled it. */
  tWokenNs: bigint;
  /** Frames that this viewer was not sent so far, to stay live or by its own cap. */
  framesSkipped: number;
  /** Server's CLOCK_MONOTONIC, ns, when the packet was encoded; 0 for raw formats. */
  tEncodedNs: bigint;
}
/** Bit 0 of `flags`. */
export const FRAME_KEYFRAME = 1;
export const FRAME_HEADER_BYTES = 128;
/** Offset of a frame's payload in its message. */
export const FRAME_PAYLOAD_OFFSET = HEAD_BYTES + FRAME_HEADER_BYTES;

/** Where each field of {@link FrameHeader} stands, from the header's start. */
export const FrameOffset = {
  tSentNs: 0,
  frame: 8,
  step: 16,
  episode: 24,
  reward: 32,
  tMonoNs: 40,
  tRealNs: 48,
  width: 56,
  height: 60,
  format: 64,
  stride: 68,
  payloadBytes: 72,
  flags: 76,
  overlayWidth: 80,
  overlayHeight: 84,
  overlayFormat: 88,
  overlayBytes: 92,
  overlayOffset: 96,
  packet: 100,
  tWokenNs: 104,
  framesSkipped: 112,
  tEncodedNs: 120,
} as const satisfies Record<keyof FrameHeader, number>;

/** Reads a frame's 128 bytes in front of its payload, and checks that the payload holds what it announces. */
export function decodeFrameHeader(body: Uint8Array): FrameHeader {
  const view = requireBytes("a frame header", body, FRAME_HEADER_BYTES);
  const header: FrameHeader = {
    tSentNs: view.getBigUint64(FrameOffset.tSentNs, true),
    frame: Number(view.getBigUint64(FrameOffset.frame, true)),
    step: Number(view.getBigUint64(FrameOffset.step, true)),
    episode: Number(view.getBigUint64(FrameOffset.episode, true)),
    reward: view.getFloat64(FrameOffset.reward, true),
    tMonoNs: view.getBigUint64(FrameOffset.tMonoNs, true),
    tRealNs: view.getBigUint64(FrameOffset.tRealNs, true),
    width: view.getUint32(FrameOffset.width, true),
    height: view.getUint32(FrameOffset.height, true),
    format: view.getUint32(FrameOffset.format, true),
    stride: view.getUint32(FrameOffset.stride, true),
    payloadBytes: view.getUint32(FrameOffset.payloadBytes, true),
    flags: view.getUint32(FrameOffset.flags, true),
    overlayWidth: view.getUint32(FrameOffset.overlayWidth, true),
    overlayHeight: view.getUint32(FrameOffset.overlayHeight, true),
    overlayFormat: view.getUint32(FrameOffset.overlayFormat, true),
    overlayBytes: view.getUint32(FrameOffset.overlayBytes, true),
    overlayOffset: view.getUint32(FrameOffset.overlayOffset, true),
    packet: view.getUint32(FrameOffset.packet, true),
    tWokenNs: view.getBigUint64(FrameOffset.tWokenNs, true),
    framesSkipped: Number(view.getBigUint64(FrameOffset.framesSkipped, true)),
    tEncodedNs: view.getBigUint64(FrameOffset.tEncodedNs, true),
  };
  const present = body.byteLength - FRAME_HEADER_BYTES;
  if (header.payloadBytes > present || header.overlayOffset + header.overlayBytes > present) {
    throw new WireError(`a frame announces ${header.payloadBytes} bytes and carries ${present}`);
  }
  return header;
}

/** Fields that the server sets over the header of a frame or a packet; `message` is the whole frame message. */
export function stampFrame(
  message: Uint8Array,
  handle: number,
  stamp: { tSentNs: bigint; framesSkipped: number },
): void {
  writeHead(message, MessageType.Frame, handle);
  const view = viewOf(message);
  view.setBigUint64(HEAD_BYTES + FrameOffset.tSentNs, stamp.tSentNs, true);
  view.setBigUint64(HEAD_BYTES + FrameOffset.framesSkipped, BigInt(stamp.framesSkipped), true);
}

/** Fields of a slot header copied from the ring that a stream's packet has by itself. */
export function stampRawFrame(message: Uint8Array, tWokenNs: bigint): void {
  const view = viewOf(message);
  view.setUint32(HEAD_BYTES + 100, 0, true);
  view.setBigUint64(HEAD_BYTES + FrameOffset.tWokenNs, tWokenNs, true);
  view.setBigUint64(HEAD_BYTES + FrameOffset.tEncodedNs, 0n, true);
}
