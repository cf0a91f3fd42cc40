/** What both lanes offer to the rest of the viewer. */

import type { Message } from "../proto/wire.ts";

export type TransportKind = "webtransport" | "websocket";

/** Where a transport delivers. All calls happen on the worker's own thread. */
export interface TransportSink {
  /** Any message but a frame. */
  onMessage(message: Message): void;
  /** A whole frame message. The receiver owns `bytes` and gives its buffer back to the pool. */
  onFrame(bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): void;
  /** Called once when an open transport is gone; not after {@link Transport.close}. */
  onClose(reason: string): void;
}

export interface Transport {
  readonly kind: TransportKind;
  /** Sends a message, in order, and never loses it while the transport is open. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Sends a message that may get lost or overtake others: probes and acks. */
  sendUnreliable(message: Uint8Array<ArrayBuffer>): void;
  close(): void;
}
