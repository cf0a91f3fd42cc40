/**
 * One end of the feed between `serve` and its ingest process (feed.ts): whole messages over two pipes. Both ends are
 * ours, of one version and one user, so what comes is taken as its type says.
 */

import { deserialize, serialize } from "node:v8";
import { FEED_MESSAGE_BYTES_MAX } from "./feed.ts";

const LENGTH_BYTES = 4;
/** Beyond so much that the pipe has not taken yet, messages that may be dropped are. */
const BACKLOG_BYTES_SOFT = 4 * 1024 * 1024;
/** Beyond so much the peer is taken for dead: it has not read for long, and what waits here must not be dropped. */
const BACKLOG_BYTES_MAX = 64 * 1024 * 1024;

export interface FeedPipes {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
}

export class FeedChannel<Outgoing, Incoming> {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #backlogBytes = 0;
  #broken = false;

  constructor({ readable, writable }: FeedPipes) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
  }

  /** Calls `onMessage` for each message. Resolves when the peer has closed its end, or is out of step. */
  async receive(onMessage: (message: Incoming) => void): Promise<void> {
    const splitter = new FeedSplitter();
    while (true) {
      const { value, done } = await this.#read();
      if (done || value === undefined) return;
      for (const bytes of splitter.split(value)) {
        // In a buffer of its own: typed arrays in a part of another come out as what stands at that buffer's beginning
        // (Deno 2.9.4).
        onMessage(deserialize(bytes.slice()));
      }
    }
  }

  /** Sends a message that must arrive; a peer that has stopped reading for good is cut off. */
  send(message: Outgoing): void {
    if (this.#backlogBytes > BACKLOG_BYTES_MAX) this.close();
    this.#write(message);
  }

  /** Sends a message unless too many wait already, or it is too large. Returns whether it was sent. */
  offer(message: Outgoing): boolean {
    return this.#backlogBytes <= BACKLOG_BYTES_SOFT && this.#write(message);
  }

  /** Nothing is sent or received from here on. */
  close(): void {
    this.#broken = true;
    this.#reader.cancel().catch(() => {});
    this.#writer.abort().catch(() => {});
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    try {
      return await this.#reader.read();
    } catch {
      return { done: true, value: undefined }; // a process that was killed breaks its pipes
    }
  }

  #write(message: Outgoing): boolean {
    if (this.#broken) return false;
    const body = serialize(message);
    if (body.byteLength > FEED_MESSAGE_BYTES_MAX) return false;
    const framed = new Uint8Array(LENGTH_BYTES + body.byteLength);
    new DataView(framed.buffer).setUint32(0, body.byteLength, true);
    framed.set(body, LENGTH_BYTES);
    this.#backlogBytes += framed.byteLength;
    this.#writer.write(framed).then(
      () => this.#backlogBytes -= framed.byteLength,
      () => this.#broken = true,
    );
    return true;
  }
}

/** Cuts what a pipe gives into messages. */
export class FeedSplitter {
  #rest = new Uint8Array(0);

  /** The messages that are whole now, without their lengths. Throws RangeError for one that is too large. */
  *split(bytes: Uint8Array): Generator<Uint8Array> {
    let waiting = this.#rest.byteLength === 0 ? bytes : concat(this.#rest, bytes);
    while (waiting.byteLength >= LENGTH_BYTES) {
      const view = new DataView(waiting.buffer, waiting.byteOffset);
      const end = LENGTH_BYTES + view.getUint32(0, true);
      if (end > LENGTH_BYTES + FEED_MESSAGE_BYTES_MAX) {
        throw new RangeError(`a message of the feed has ${end - LENGTH_BYTES} bytes`);
      }
      if (waiting.byteLength < end) break;
      yield waiting.subarray(LENGTH_BYTES, end);
      waiting = waiting.subarray(end);
    }
    this.#rest = waiting.slice();
  }
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.byteLength + second.byteLength);
  both.set(first);
  both.set(second, first.byteLength);
  return both;
}
