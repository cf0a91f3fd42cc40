/** The first two messages of a session, the same on both lanes: HELLO with a ticket, answered by WELCOME or BYE. */

import {
  type Bye,
  decodeJson,
  encodeJson,
  type Message,
  MessageType,
  type Welcome,
  WIRE_VERSION,
} from "../proto/wire.ts";
import type { Transport, TransportSink } from "./transport.ts";

/** The server said goodbye. */
export class ByeError extends Error {
  override name = "ByeError";
  constructor(readonly bye: Bye) {
    super(bye.reason);
  }
}

export interface OpenedLane {
  transport: Transport;
  welcome: Welcome;
}

/**
 * Sink of a lane that is being opened: keeps everything but the greeting for `next`, which takes over with the
 * greeting. A server sends nothing else before WELCOME.
 */
export class Handshake implements TransportSink {
  readonly #next: TransportSink;
  readonly #greeting = Promise.withResolvers<Welcome>();
  #greeted = false;

  constructor(next: TransportSink) {
    this.#next = next;
    // A transport may fail before anybody waits for the greeting.
    this.#greeting.promise.catch(() => {});
  }

  /** Says HELLO on an open transport; resolves with the server's WELCOME. */
  async greet(transport: Transport, ticket: string, signal: AbortSignal): Promise<OpenedLane> {
    signal.addEventListener("abort", () => this.#greeting.reject(signal.reason), { once: true });
    transport.send(encodeJson(MessageType.Hello, 0, { version: WIRE_VERSION, ticket }));
    return { transport, welcome: await this.#greeting.promise };
  }

  onMessage(message: Message): void {
    if (this.#greeted) return this.#next.onMessage(message);
    if (message.type === MessageType.Welcome) {
      this.#greeted = true;
      this.#greeting.resolve(decodeJson(message.body) as Welcome);
    } else if (message.type === MessageType.Bye) {
      this.#greeting.reject(new ByeError(decodeJson(message.body) as Bye));
    }
  }

  onFrame(bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): void {
    if (this.#greeted) this.#next.onFrame(bytes, receivedAtMs);
  }

  onClose(reason: string): void {
    if (this.#greeted) this.#next.onClose(reason);
    else this.#greeting.reject(new Error(reason));
  }
}
