/**
 * The cap on a run's frames when no viewer can take nearly as many: its worker then publishes fewer (a trainer that asks
 * wants_frame), and is let go again as soon as viewers follow.
 */

/** The run makes so many times more than its fastest viewer takes. */
const EXCESS_FACTOR = 4;
/** So many seconds in a row. */
const SECONDS_MIN = 3;
/** Twice what they take: the newest frame stays fresh, and there is something to show that more can be taken. */
const HEADROOM_FACTOR = 2;
const CAP_MIN_HZ = 5;
/** Viewers who take this share of the capped run follow. */
const FOLLOW_SHARE = 0.8;
const PROBE_FACTOR = 1.5;
/** Seconds between two steps up; doubled whenever a release proves wrong. */
const PROBE_SECONDS_MIN = 2;
const PROBE_SECONDS_MAX = 64;

/** One viewer in the last second. */
export interface ViewerSecond {
  framesTaken: number;
  /** It could not have taken more: as many frames were on their way as may be. */
  wasFull: boolean;
  /** No ack came although frames are on their way: it has no vote. */
  stalled: boolean;
}

/** Pure: to be told once a second. */
export class RingCap {
  /** Frames per second; null = none. */
  capHz: number | null = null;
  #uncappedHz = 0;
  #secondsOver = 0;
  #secondsUntilProbe = 0;
  #probeSeconds = PROBE_SECONDS_MIN;

  /** `runHz`: frames that the run published in the last second. Returns whether the cap changed. */
  onSecond(runHz: number, viewers: readonly ViewerSecond[]): boolean {
    const voters = viewers.filter(({ stalled }) => !stalled);
    if (voters.length === 0) {
      // Nobody is left for whom it was set; whoever only stands still decides nothing.
      return viewers.length === 0 && this.#set(null);
    }
    const takenHz = Math.max(...voters.map(({ framesTaken }) => framesTaken));
    const allFull = voters.every(({ wasFull }) => wasFull);
    if (allFull && takenHz > 0 && runHz > takenHz * EXCESS_FACTOR) {
      return this.#tooMuch(runHz, takenHz);
    }
    this.#secondsOver = 0;
    return this.capHz !== null && takenHz >= runHz * FOLLOW_SHARE && this.#probe();
  }

  #tooMuch(runHz: number, takenHz: number): boolean {
    if (++this.#secondsOver < SECONDS_MIN) return false;
    this.#secondsOver = 0;
    const capHz = Math.max(CAP_MIN_HZ, takenHz * HEADROOM_FACTOR);
    // A worker that publishes all the same is not told again and again.
    if (this.capHz !== null && capHz >= this.capHz) return false;
    if (this.capHz === null) this.#uncappedHz = runHz;
    this.#probeSeconds = Math.min(this.#probeSeconds * 2, PROBE_SECONDS_MAX);
    this.#secondsUntilProbe = this.#probeSeconds;
    return this.#set(capHz);
  }

  #probe(): boolean {
    if (--this.#secondsUntilProbe > 0) return false;
    this.#secondsUntilProbe = PROBE_SECONDS_MIN;
    const capHz = this.capHz! * PROBE_FACTOR;
    if (capHz < this.#uncappedHz) return this.#set(capHz);
    return this.#set(null);
  }

  #set(capHz: number | null): boolean {
    const changed = capHz !== this.capHz;
    this.capHz = capHz;
    return changed;
  }
}
