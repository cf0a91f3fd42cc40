/** One viewer's interest in one run. */

import {
  encodeBinary,
  encodeJson,
  HUD_BYTES,
  MessageType,
  stampFrame,
  type StreamState,
} from "../proto/wire.ts";
import type { FrameBuffer, FramePool } from "./frame_pool.ts";
import type { LeftFrames } from "./left_frames.ts";
import { Pacer, type PacerSettings } from "./pacer.ts";
import type { MediaLane, Transport } from "./transport.ts";

/** A viewer that leaves so much unread gets no HUD until it has caught up: the next one says more. */
const HUD_BACKLOG_BYTES_MAX = 64 * 1024;

/** Frames leave one at a time: while one is being written, or three are not acked, the viewer gets no other. */
export class Subscription {
  readonly handle: number;
  readonly pacer: Pacer;
  /** Set by its channel: called when another frame could be sent. */
  onReady: () => void = () => {};
  readonly #transport: Transport;
  readonly #lane: MediaLane;
  readonly #left: LeftFrames;
  #writing: { buffer: FrameBuffer; pool: FramePool } | null = null;
  #closed = false;
  #lastState = "";
  #hudVersion = 0;

  /** `left` is shared by all subscriptions of the session. */
  constructor(transport: Transport, left: LeftFrames, handle: number, settings: PacerSettings) {
    this.#transport = transport;
    this.#left = left;
    this.#lane = transport.openMedia(handle);
    this.handle = handle;
    this.pacer = new Pacer(settings);
  }

  /** Whether a frame is being written, this subscription's or one that an ended one left, so that none can follow. */
  get busy(): boolean {
    return this.#writing !== null || this.#left.any;
  }

  /** Whether a frame could be handed over, its due time aside. */
  get open(): boolean {
    return !this.#closed && !this.busy && !this.pacer.full;
  }

  /** Stamps and sends a frame; the buffer goes back to `pool` when it is written. */
  sendFrame(buffer: FrameBuffer, pool: FramePool, nowNs: bigint, wokenNs: bigint): void {
    const message = buffer.message;
    this.pacer.sent(buffer.frame, Number(nowNs));
    stampFrame(message, this.handle, {
      tSentNs: nowNs,
      tWokenNs: wokenNs,
      framesSkipped: this.pacer.framesSkipped,
    });
    this.#writing = { buffer, pool };
    this.#lane.send(message, this.#written);
  }

  readonly #written = () => {
    const { buffer, pool } = this.#writing!;
    this.#writing = null;
    pool.give(buffer);
    if (this.#closed) this.#left.written();
    else this.onReady();
  };

  /** Sends the HUD block unless this viewer has that version already or leaves too much unread. */
  sendHud(hud: Uint8Array<ArrayBuffer>, version: number): void {
    if (this.#hudVersion === version) return;
    if (this.#transport.bytesPending > HUD_BACKLOG_BYTES_MAX) return;
    this.#hudVersion = version;
    this.#transport.send(
      encodeBinary(MessageType.Hud, this.handle, hud.subarray(0, HUD_BYTES)),
    );
  }

  /** Sends the state when it is another than the last one sent. */
  sendState(state: StreamState): void {
    const text = JSON.stringify(state);
    if (this.#closed || text === this.#lastState) return;
    this.#lastState = text;
    this.#transport.send(encodeJson(MessageType.State, this.handle, state));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#writing !== null) this.#left.leave();
    this.#lane.close();
  }
}
