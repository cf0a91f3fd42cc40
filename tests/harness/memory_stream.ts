/** A stream without a thread: the test makes its packets, and sees what it was told. */

import {
  EncoderKind,
  type TakeResult,
  type VideoSettings,
  type VideoStatus,
} from "../../ffi/stream.ts";
import type { VideoStream } from "../../core/video_stream.ts";
import { FRAME_HEADER_BYTES, FRAME_KEYFRAME, PixelFormat } from "../../proto/wire.ts";

export interface MemoryPacket {
  frame: number;
  packet: number;
  keyframe?: boolean;
  format?: number;
  side?: number;
  payloadBytes?: number;
}

export class MemoryStream implements VideoStream {
  /** As last set, and every one before. */
  readonly settings: VideoSettings[] = [];
  /** Outputs of each request. */
  readonly requests: number[] = [];
  readonly queue: Uint8Array<ArrayBuffer>[] = [];
  bytesTaken = 0;
  closed = false;
  status: VideoStatus = {
    framesSampled: 0,
    framesSkipped: 0,
    packets: 0,
    packetsDropped: 0,
    keyframes: 0,
    bytes: 0,
    convertNs: 0,
    encodeNs: 0,
    decodeNs: 0,
    lastFrame: 0,
    encoder: EncoderKind.OpenH264,
    width: 320,
    height: 320,
    bitrateKbps: 2000,
    encoderName: "memory",
    note: "",
  };

  get last(): VideoSettings {
    return this.settings.at(-1)!;
  }

  push(
    { frame, packet, keyframe = false, format = PixelFormat.H264, side = 320, payloadBytes = 8 }:
      MemoryPacket,
  ): void {
    const bytes = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes).fill(packet);
    const view = new DataView(bytes.buffer);
    bytes.fill(0, 0, FRAME_HEADER_BYTES);
    view.setBigUint64(8, BigInt(frame), true);
    view.setUint32(56, side, true);
    view.setUint32(60, side, true);
    view.setUint32(64, format, true);
    view.setUint32(72, payloadBytes, true);
    view.setUint32(76, keyframe ? FRAME_KEYFRAME : 0, true);
    view.setUint32(100, packet, true);
    view.setBigUint64(104, 11n, true);
    view.setBigUint64(120, 12n, true);
    this.queue.push(bytes);
  }

  set(settings: VideoSettings): void {
    this.settings.push(settings);
  }

  requestKeyframe(outputs: number): void {
    this.requests.push(outputs);
  }

  take(buffer: Uint8Array<ArrayBuffer>): TakeResult {
    const oldest = this.queue[0];
    this.bytesTaken = oldest?.byteLength ?? 0;
    if (oldest === undefined) return "none";
    if (oldest.byteLength > buffer.byteLength) return "small";
    buffer.set(oldest);
    this.queue.shift();
    return "packet";
  }

  readStatus(): VideoStatus {
    return this.status;
  }

  [Symbol.dispose](): void {
    this.closed = true;
  }
}
