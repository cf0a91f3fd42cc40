/** What a viewer session needs of the lane that carries it. */

import type { Bye } from "../proto/wire.ts";

export type TransportKind = "webtransport" | "websocket";

export interface Transport {
  readonly kind: TransportKind;
  /** Bytes of messages handed to {@link send} that have not left yet. */
  readonly bytesPending: number;
  /** Sends a control message, in order. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Sends a message that may get lost or overtake others. */
  sendUnreliable(message: Uint8Array<ArrayBuffer>): void;
  openMedia(handle: number): MediaLane;
  /** Says goodbye and ends the lane; nothing is sent or delivered afterwards. */
  close(bye: Bye): void;
}

/** Carries the frames of one subscription. */
export interface MediaLane {
  /**
   * Sends one message. `written` is called when the message's memory may be used again: later, never from within, and
   * not at all when the transport ends first. One message at a time.
   */
  send(message: Uint8Array<ArrayBuffer>, written: () => void): void;
  close(): void;
}
