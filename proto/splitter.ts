/** Cuts a byte stream into messages. */

import { decodeMessage, type Message, viewOf, WireError } from "./codec.ts";
import { HEAD_BYTES } from "./messages.ts";

/** Cuts a byte stream into messages. Bounded by `messageBytesMax`; holds at most one unfinished message. */
export class MessageSplitter {
  readonly #messageBytesMax: number;
  #head = new Uint8Array(HEAD_BYTES);
  #headBytes = 0;
  #message: Uint8Array<ArrayBuffer> | null = null;
  #messageBytes = 0;

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Takes the next bytes of the stream and yields each message they complete, in memory of its own. */
  *push(chunk: Uint8Array): Generator<Message> {
    let offset = 0;
    while (offset < chunk.byteLength) {
      if (this.#message === null) {
        const taken = Math.min(HEAD_BYTES - this.#headBytes, chunk.byteLength - offset);
        this.#head.set(chunk.subarray(offset, offset + taken), this.#headBytes);
        this.#headBytes += taken;
        offset += taken;
        if (this.#headBytes < HEAD_BYTES) return;
        this.#begin();
      }
      const message = this.#message!;
      const taken = Math.min(message.byteLength - this.#messageBytes, chunk.byteLength - offset);
      message.set(chunk.subarray(offset, offset + taken), this.#messageBytes);
      this.#messageBytes += taken;
      offset += taken;
      if (this.#messageBytes === message.byteLength) {
        this.#message = null;
        this.#headBytes = 0;
        yield decodeMessage(message);
      }
    }
  }

  #begin(): void {
    const messageBytes = viewOf(this.#head).getUint32(0, true) + 4;
    if (messageBytes < HEAD_BYTES || messageBytes > this.#messageBytesMax) {
      throw new WireError(
        `a message announces ${messageBytes} bytes; ${HEAD_BYTES} to ${this.#messageBytesMax} are allowed`,
      );
    }
    this.#message = new Uint8Array(messageBytes);
    this.#message.set(this.#head);
    this.#messageBytes = HEAD_BYTES;
  }
}
