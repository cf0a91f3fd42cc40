/** One viewer's interest in one run. */

import {
  type Display,
  encodeBinary,
  encodeJson,
  HUD_BYTES,
  type LaneChoice,
  type LaneKind,
  MessageType,
  stampFrame,
  stampRawFrame,
  type StreamState,
} from "../proto/wire.ts";
import type { FrameBuffer, FramePool } from "./frame_pool.ts";
import type { Lane } from "./lane.ts";
import type { LeftFrames } from "./left_frames.ts";
import { LinkMeter } from "./link_meter.ts";
import { FRAMES_IN_FLIGHT_MAX, Pacer, type PacerSettings, PACKETS_IN_FLIGHT_MAX } from "./pacer.ts";
import type { MediaLane, Transport } from "./transport.ts";

/** Viewers report once a second; more often counts nothing, so that none can fill the metrics. */
const REPORT_INTERVAL_NS = 500e6;
/** A viewer that leaves so much unread gets no HUD until it has caught up: the next one says more. */
const HUD_BACKLOG_BYTES_MAX = 64 * 1024;

export interface SubscriptionSettings extends PacerSettings {
  lane: LaneChoice;
  /** What the page can draw. */
  accepts: readonly LaneKind[];
}

/** A message that the transport has not written yet. */
interface Unwritten {
  buffer: FrameBuffer;
  pool: FramePool;
  sentNs: number;
}

/**
 * Raw frames leave one at a time: while one is being written, or three are not acked, the viewer gets no other. Packets
 * of a stream follow one another, so that they may wait for the one before to be written: six are on their way at most.
 */
export class Subscription {
  readonly handle: number;
  readonly pacer: Pacer;
  readonly meter = new LinkMeter();
  settings: SubscriptionSettings;
  /** What the viewer's display said of itself; null: it wants frames as they come. */
  display: Display | null = null;
  /** Set by its channel: called when another frame could be sent. */
  onReady: () => void = () => {};
  readonly #transport: Transport;
  readonly #media: MediaLane;
  readonly #left: LeftFrames;
  /** In order; the first is being written. */
  readonly #unwritten: Unwritten[] = [];
  #lane: Lane | null = null;
  #closed = false;
  #lastState = "";
  #hudVersion = 0;
  #reportedNs = -Infinity;

  /** `left` is shared by all subscriptions of the session. */
  constructor(
    transport: Transport,
    left: LeftFrames,
    handle: number,
    settings: SubscriptionSettings,
  ) {
    this.#transport = transport;
    this.#left = left;
    this.#media = transport.openMedia(handle);
    this.handle = handle;
    this.settings = settings;
    this.pacer = new Pacer(settings);
  }

  configure(settings: SubscriptionSettings): void {
    this.settings = settings;
    this.pacer.settings = settings;
  }

  /** Whether a report that comes now counts; to be asked once for each. */
  mayReport(nowNs: number): boolean {
    if (nowNs - this.#reportedNs < REPORT_INTERVAL_NS) return false;
    this.#reportedNs = nowNs;
    return true;
  }

  /** How its frames come; null while the run's picture is not known. */
  get lane(): Lane | null {
    return this.#lane;
  }

  set lane(lane: Lane | null) {
    this.#lane = lane;
    this.pacer.inFlightMax = this.raw ? FRAMES_IN_FLIGHT_MAX : PACKETS_IN_FLIGHT_MAX;
  }

  /** Whether its frames are read from the ring as they are, as far as is known. */
  get raw(): boolean {
    return this.#lane === null || this.#lane.kind === "raw";
  }

  /** Whether a frame is being written, this subscription's or one that an ended one left, so that none can follow. */
  get busy(): boolean {
    return this.#unwritten.length > 0 || this.#left.any;
  }

  /** Whether a raw frame could be handed over, its due time aside. */
  get open(): boolean {
    return !this.#closed && !this.busy && !this.pacer.full;
  }

  /** Whether a packet could be handed over. */
  get hasRoom(): boolean {
    return this.reachable && !this.pacer.full;
  }

  /** Whether a packet could be handed over if acks did not matter. */
  get reachable(): boolean {
    return !this.#closed && !this.#left.any;
  }

  /** When the oldest message was sent that the transport still has; null without one. */
  get oldestUnwrittenNs(): number | null {
    return this.#unwritten[0]?.sentNs ?? null;
  }

  /** Stamps and sends a frame; the buffer goes back to `pool` when it is written. */
  sendFrame(buffer: FrameBuffer, pool: FramePool, nowNs: bigint, wokenNs: bigint): void {
    stampRawFrame(buffer.message, wokenNs);
    this.sendPacket(buffer, pool, nowNs);
  }

  /** The same for a packet, which has its stream's stamps. */
  sendPacket(buffer: FrameBuffer, pool: FramePool, nowNs: bigint): void {
    const sentNs = Number(nowNs);
    this.pacer.sent(buffer.frame, sentNs);
    const { framesSkipped } = this.pacer;
    stampFrame(buffer.message, this.handle, { tSentNs: nowNs, framesSkipped });
    this.#unwritten.push({ buffer, pool, sentNs });
    if (this.#unwritten.length === 1) this.#write();
  }

  #write(): void {
    this.#media.send(this.#unwritten[0]!.buffer.message, this.#written);
  }

  readonly #written = () => {
    const { buffer, pool } = this.#unwritten.shift()!;
    pool.give(buffer);
    if (this.#closed) return this.#left.written();
    if (this.#unwritten.length > 0) this.#write();
    // Packets follow one another unasked: what they wait for is an ack.
    if (this.raw) this.onReady();
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
    for (const { buffer, pool } of this.#unwritten.splice(1)) pool.give(buffer);
    if (this.#unwritten.length > 0) this.#left.leave();
    this.#media.close();
  }
}
