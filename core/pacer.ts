/**
 * When a viewer gets which frame: its cap, every n-th frame, and how many may be on their way.
 *
 * The cap is a GCRA (ITU-T I.371): frames that come a little early, as those of a 60 Hz run do under a cap of 60, pass
 * at once, and the average still holds the cap.
 */

import { type Grid, nextOf } from "./phase_lock.ts";

/** Frames sent and not yet covered by an ack, at most. Beyond that nothing is sent; frames are never queued. */
export const FRAMES_IN_FLIGHT_MAX = 3;
/** The same for packets of a stream: small, and one that is left out costs a keyframe. */
export const PACKETS_IN_FLIGHT_MAX = 6;

/** How much earlier than its due time a frame may go, as a share of the interval. */
const EARLY_SHARE = 0.25;
/** A frame that went so much of a period after its moment of the grid has used up that moment only. */
const GRID_LATE_SHARE = 0.25;
const NS_PER_S = 1e9;

export interface PacerSettings {
  /** Frames per second at most; 0 = no cap. */
  fpsMax: number;
  /** Only every n-th frame of the run; 1 = all. */
  everyNth: number;
  /** true: always the newest frame; false: every frame in order. */
  stayLive: boolean;
}

/** Pure bookkeeping: times are arguments, ns of CLOCK_MONOTONIC. */
export class Pacer {
  #settings: PacerSettings;
  /** Number of the newest frame sent; 0 = none. */
  lastFrame = 0;
  /** Frames of the run that this viewer was not sent. */
  framesSkipped = 0;
  /** As many as may be on their way; {@link FRAMES_IN_FLIGHT_MAX} or {@link PACKETS_IN_FLIGHT_MAX}. */
  inFlightMax = FRAMES_IN_FLIGHT_MAX;
  /** When the next frame would be due if the run kept to the cap exactly. */
  #theoreticalNs = 0;
  #grid: Grid | null = null;
  #gridDueNs = 0;
  #framesTaken = 0;
  #wasFull = false;
  readonly #inFlight: { frame: number; sentNs: number }[] = [];

  constructor(settings: PacerSettings) {
    this.#settings = settings;
  }

  get settings(): PacerSettings {
    return this.#settings;
  }

  /** What is due follows the new cap from now on, not the old one's next turn. */
  set settings(settings: PacerSettings) {
    if (settings.fpsMax !== this.#settings.fpsMax) this.#theoreticalNs = 0;
    this.#settings = settings;
  }

  /** The next frame to send has a number over this one. */
  get afterFrame(): number {
    return this.lastFrame === 0 ? 0 : this.lastFrame + this.settings.everyNth - 1;
  }

  /** No frame goes out before. */
  get dueNs(): number {
    const { fpsMax } = this.settings;
    const capDueNs = fpsMax === 0 ? 0 : this.#theoreticalNs - EARLY_SHARE * NS_PER_S / fpsMax;
    return Math.max(capDueNs, this.#gridDueNs);
  }

  /** The moments at which this viewer's display wants a frame to be taken; null = any. */
  set grid(grid: Grid | null) {
    this.#grid = grid;
    if (grid === null) this.#gridDueNs = 0;
  }

  /** When the oldest frame was sent that is still on its way; null without one. */
  get oldestUnackedNs(): number | null {
    return this.#inFlight[0]?.sentNs ?? null;
  }

  /** As many frames are on their way as may be. */
  get full(): boolean {
    return this.#inFlight.length >= this.inFlightMax;
  }

  /** A frame goes; one that a keyframe repeats has the same number again, or an older one with those that follow it. */
  sent(frame: number, nowNs: number): void {
    if (this.lastFrame > 0) this.framesSkipped += Math.max(0, frame - this.lastFrame - 1);
    // The newest: a viewer that has drawn it already acks it, and with it all that is repeated.
    this.lastFrame = Math.max(this.lastFrame, frame);
    this.#inFlight.push({ frame, sentNs: nowNs });
    this.#framesTaken++;
    this.#wasFull ||= this.full;
    const { fpsMax } = this.settings;
    if (fpsMax > 0) this.#theoreticalNs = Math.max(nowNs, this.#theoreticalNs) + NS_PER_S / fpsMax;
    const grid = this.#grid;
    if (grid !== null) this.#gridDueNs = nextOf(grid, nowNs + grid.periodNs * GRID_LATE_SHARE);
  }

  /** Frames sent since the last call, and whether at any time as many were on their way as may be. */
  takeCounts(): { framesTaken: number; wasFull: boolean } {
    const counts = { framesTaken: this.#framesTaken, wasFull: this.#wasFull };
    this.#framesTaken = 0;
    this.#wasFull = this.full;
    return counts;
  }

  /**
   * An ack covers its frame and all before; one for a frame that was never sent (another segment's) means nothing.
   * Returns when the newest frame that it covers for the first time was sent; null when it covers none.
   */
  acked(frame: number): number | null {
    if (frame > this.lastFrame) return null;
    let sentNs: number | null = null;
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.frame <= frame) {
      sentNs = this.#inFlight.shift()!.sentNs;
    }
    return sentNs;
  }

  /** The run started anew: its frames count from 1 again. */
  restart(): void {
    this.lastFrame = 0;
    this.#inFlight.length = 0;
    this.#theoreticalNs = this.#gridDueNs = 0;
  }
}
