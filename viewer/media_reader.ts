/**
 * Reads one media stream: frames go straight from the network into kept buffers ("bring your own buffer" reads), so
 * that a frame is copied once and nothing is left to collect.
 */

import {
  decodeMessage,
  HEAD_BYTES,
  type Message,
  MessageType,
  SERVER_MESSAGE_BYTES_MAX,
  WireError,
} from "../proto/wire.ts";
import type { FramePool } from "./frame_pool.ts";

export interface MediaSink {
  onFrame(bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): void;
  onMessage(message: Message): void;
}

/** Returns when the stream ends between two messages; rejects when it ends within one or is no stream of ours. */
export async function readMedia(
  stream: ReadableStream<Uint8Array>,
  pool: FramePool,
  sink: MediaSink,
): Promise<void> {
  const reader = stream.getReader({ mode: "byob" });
  let head: ArrayBuffer = new ArrayBuffer(HEAD_BYTES);
  while (true) {
    const filledHead = await fill(reader, head, 0, HEAD_BYTES);
    if (filledHead === null) return;
    head = filledHead;
    const view = new DataView(head);
    const messageBytes = view.getUint32(0, true) + 4;
    if (messageBytes < HEAD_BYTES || messageBytes > SERVER_MESSAGE_BYTES_MAX) {
      throw new WireError(`a media stream announces a message of ${messageBytes} bytes`);
    }
    const isFrame = view.getUint8(4) === MessageType.Frame;
    const buffer = isFrame ? pool.take(messageBytes) : new ArrayBuffer(messageBytes);
    new Uint8Array(buffer).set(new Uint8Array(head));
    const filled = await fill(reader, buffer, HEAD_BYTES, messageBytes);
    if (filled === null) throw new WireError("a media stream ended within a message");
    const bytes = new Uint8Array(filled, 0, messageBytes);
    if (isFrame) sink.onFrame(bytes, performance.now());
    else sink.onMessage(decodeMessage(bytes));
  }
}

/** Fills `buffer` from `begin` to `end`; null when the stream ended before its first byte came. */
async function fill(
  reader: ReadableStreamBYOBReader,
  buffer: ArrayBuffer,
  begin: number,
  end: number,
): Promise<ArrayBuffer | null> {
  let offset = begin;
  while (offset < end) {
    // Each read moves the buffer to the stream and back: the old one is detached.
    const { value, done } = await reader.read(new Uint8Array(buffer, offset, end - offset));
    if (done || value === undefined) {
      if (offset === begin) return null;
      throw new WireError(`a media stream ended ${end - offset} bytes early`);
    }
    offset += value.byteLength;
    buffer = value.buffer;
  }
  return buffer;
}
