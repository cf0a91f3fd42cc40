/**
 * When frames are sampled for a display: just in time to be drawn at its next refresh. That helps where the run makes
 * clearly more frames than the display shows: the newest of them is taken, and is fresher than the one that came first.
 * At the display's own rate there is no choice to make: a frame is drawn at the first refresh after it came, and a wait
 * for the grid, which leaves room for the slowest frames, could only make that a later one.
 */

import type { Display } from "../proto/wire.ts";

const NS_PER_MS = 1e6;
/** A run of so many times the display's rate is locked; one that falls below the lower one is let go. */
const LOCK_RATE_RATIO = 1.4;
const UNLOCK_RATE_RATIO = 1.2;
/** A cap below this share of the display's rate leaves refreshes out. */
const CAP_SHARE_MIN = 0.8;
/** A display that told of itself so long ago, or of a time so far away, tells nothing of now. */
const REPORT_NS_MAX = 10_000 * NS_PER_MS;
/** No display is slower; frames that all viewers of a stream share do not wait for a page that says so. */
const PERIOD_MS_MAX = 50;
/** A grid that is off by no more stays: reports jitter. */
const TOLERANCE_NS = 0.3 * NS_PER_MS;
const TOLERANCE_SHARE = 0.04;
const PERIOD_TOLERANCE_SHARE = 0.01;
/** A later grid, which is fresher but riskier, is taken only when so many reports in a row say so. */
const LATER_REPORTS_MIN = 5;

/** Frames are sampled at `phaseNs + k * periodNs` of CLOCK_MONOTONIC. */
export interface Grid {
  phaseNs: number;
  periodNs: number;
}

/** What speaks for and against a grid, of the leader. */
export interface PhaseQuestion {
  /** Frames that the run makes per second, of which the leader wants. */
  runHz: number;
  /** The leader's cap; 0 = none. */
  fpsMax: number;
  stayLive: boolean;
}

/** Whether what a display told of itself holds now, so that frames can be sampled for it. */
export function isCurrent({ phaseMs, periodMs }: Display, nowNs: number): boolean {
  const isNear = Math.abs(phaseMs * NS_PER_MS - nowNs) <= REPORT_NS_MAX;
  return isNear && periodMs > 0 && periodMs <= PERIOD_MS_MAX;
}

/** The grid of one leader, with hysteresis. */
export class PhaseLock {
  #grid: Grid | null = null;
  #laterNs: number[] = [];

  get grid(): Grid | null {
    return this.#grid;
  }

  /** The leader's display reported, or the question changed. `display` null: there is no leader that wants it. */
  follow(display: Display | null, question: PhaseQuestion, nowNs: number): Grid | null {
    const current = display !== null && isCurrent(display, nowNs);
    if (!current || !this.#isOfUse(display, question)) this.release();
    else this.#adopt(gridOf(display));
    return this.#grid;
  }

  /** Another leader, or none. */
  release(): void {
    this.#grid = null;
    this.#laterNs = [];
  }

  #isOfUse({ periodMs }: Display, { runHz, fpsMax, stayLive }: PhaseQuestion): boolean {
    if (!stayLive) return false;
    const displayHz = 1000 / periodMs;
    const ratio = this.#grid === null ? LOCK_RATE_RATIO : UNLOCK_RATE_RATIO;
    return runHz >= displayHz * ratio && (fpsMax === 0 || fpsMax >= displayHz * CAP_SHARE_MIN);
  }

  #adopt(reported: Grid): void {
    const grid = this.#grid;
    const { periodNs } = reported;
    const samePeriod = grid !== null &&
      Math.abs(periodNs - grid.periodNs) <= periodNs * PERIOD_TOLERANCE_SHARE;
    if (!samePeriod) return this.#move(reported);
    const offNs = wrapped(reported.phaseNs - grid.phaseNs, grid.periodNs);
    if (Math.abs(offNs) <= Math.max(TOLERANCE_NS, periodNs * TOLERANCE_SHARE)) {
      this.#laterNs = [];
    } else if (offNs < 0) {
      // A frame that is sampled too late misses its refresh: this cannot wait.
      this.#move(reported);
    } else {
      this.#laterNs.push(offNs);
      if (this.#laterNs.length < LATER_REPORTS_MIN) return;
      const laterNs = Math.min(...this.#laterNs);
      this.#move({ phaseNs: reported.phaseNs - (offNs - laterNs), periodNs });
    }
  }

  #move(grid: Grid): void {
    this.#grid = grid;
    this.#laterNs = [];
  }
}

function gridOf({ phaseMs, periodMs, leadMs }: Display): Grid {
  return { phaseNs: (phaseMs - leadMs) * NS_PER_MS, periodNs: periodMs * NS_PER_MS };
}

/** `offNs` moved by whole periods to what is nearest to 0. */
function wrapped(offNs: number, periodNs: number): number {
  return offNs - Math.round(offNs / periodNs) * periodNs;
}

/** The first moment of the grid that is not before `ns`. */
export function nextOf({ phaseNs, periodNs }: Grid, ns: number): number {
  return phaseNs + Math.ceil((ns - phaseNs) / periodNs) * periodNs;
}
