/**
 * Reads one media stream: frames go straight from the network into kept buffers ("bring your own buffer" reads), so
 * that a frame is copied once and nothing is left to collect.
 *
 * Each read crosses from the browser's network service, which costs more than the bytes. So a read takes what has come,
 * into a buffer as large as the last message: as a rule a whole message, and nothing of the next.
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
  let buffer = pool.take(HEAD_BYTES);
  let filledBytes = 0;
  while (true) {
    // Each read moves the buffer to the stream and back: the old one is detached.
    const free = new Uint8Array(buffer, filledBytes);
    const { value, done } = await reader.read(free);
    if (done || value === undefined) {
      if (filledBytes === 0) return;
      throw new WireError(`a media stream ended within a message, ${filledBytes} bytes into it`);
    }
    const receivedAtMs = performance.now();
    buffer = value.buffer;
    filledBytes += value.byteLength;
    let messageBytes = messageBytesOf(buffer, filledBytes);
    while (filledBytes >= messageBytes) {
      // What lies behind the message is the beginning of the next.
      const rest = new Uint8Array(buffer, messageBytes, filledBytes - messageBytes);
      const next = pool.take(Math.max(messageBytes, rest.byteLength));
      new Uint8Array(next).set(rest);
      handOver(buffer, messageBytes, receivedAtMs, pool, sink);
      buffer = next;
      filledBytes = rest.byteLength;
      messageBytes = messageBytesOf(buffer, filledBytes);
    }
    if (messageBytes > buffer.byteLength) buffer = enlarge(buffer, filledBytes, messageBytes, pool);
  }
}

/** Bytes of the message that the buffer begins with; those of a head while not even that is there. */
function messageBytesOf(buffer: ArrayBuffer, filledBytes: number): number {
  if (filledBytes < HEAD_BYTES) return HEAD_BYTES;
  const messageBytes = new DataView(buffer).getUint32(0, true) + 4;
  if (messageBytes < HEAD_BYTES || messageBytes > SERVER_MESSAGE_BYTES_MAX) {
    throw new WireError(`a media stream announces a message of ${messageBytes} bytes`);
  }
  return messageBytes;
}

function handOver(
  buffer: ArrayBuffer,
  messageBytes: number,
  receivedAtMs: number,
  pool: FramePool,
  sink: MediaSink,
): void {
  const bytes = new Uint8Array(buffer, 0, messageBytes);
  if (bytes[4] === MessageType.Frame) return sink.onFrame(bytes, receivedAtMs);
  sink.onMessage(decodeMessage(bytes.slice()));
  pool.give(buffer);
}

function enlarge(
  buffer: ArrayBuffer,
  filledBytes: number,
  bytes: number,
  pool: FramePool,
): ArrayBuffer {
  const larger = pool.take(bytes);
  new Uint8Array(larger).set(new Uint8Array(buffer, 0, filledBytes));
  pool.give(buffer);
  return larger;
}
