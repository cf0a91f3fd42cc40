/**
 * How long before the display's frame the server must sample, so that what it sampled is drawn by then: the 95th
 * percentile of the way from sampled to drawn, and a margin that follows what really comes late.
 */

import type { DisplayTimes } from "./display_clock.ts";
import { SampleWindow } from "./sample_window.ts";

/** Long enough for a percentile at ten frames a second, short enough for a network that changed. */
const WINDOW_MS = 3_000;
const SAMPLES_MAX = 512;
const SAMPLES_SHARE = 0.95;
/** What a timer on the server and the display's jitter take at least. */
const MARGIN_MIN_MS = 1;
/** As a share of the display's period: more would cost every frame what a late one costs now and then. */
const MARGIN_MAX_SHARE = 0.5;
/** For a frame that missed its display frame, which is shown a whole period late. */
const RAISE_MS = 0.5;
/** Together with the raise: about one frame in 150 is late at 60 frames a second, below what p99 sees. */
const LOWER_MS_PER_S = 0.2;
const LEAD_MAX_MS = 500;

export class PhaseLead {
  readonly #pathsMs = new SampleWindow(WINDOW_MS, SAMPLES_MAX);
  #marginMs = MARGIN_MIN_MS;
  #adaptedAtMs: number | null = null;

  /** A frame was sampled and drawn at these moments of one clock. */
  addFrame(sampledAtMs: number, drawnAtMs: number): void {
    this.#pathsMs.add(drawnAtMs - sampledAtMs, drawnAtMs);
  }

  /**
   * Whether a frame, sampled with the lead that is in force, was drawn in time. The display frame that it was meant for
   * is the one nearest to `leadMs` after it was sampled.
   */
  judge(sampledAtMs: number, drawnAtMs: number, leadMs: number, display: DisplayTimes): void {
    const { phaseMs, periodMs } = display;
    const aimedMs = phaseMs +
      Math.round((sampledAtMs + leadMs - phaseMs) / periodMs) * periodMs;
    const sinceMs = this.#adaptedAtMs === null ? 0 : drawnAtMs - this.#adaptedAtMs;
    this.#adaptedAtMs = drawnAtMs;
    const change = drawnAtMs > aimedMs ? RAISE_MS : -LOWER_MS_PER_S * sinceMs / 1_000;
    const marginMaxMs = Math.max(MARGIN_MIN_MS, periodMs * MARGIN_MAX_SHARE);
    this.#marginMs = Math.min(marginMaxMs, Math.max(MARGIN_MIN_MS, this.#marginMs + change));
  }

  /** null before the first frame. */
  leadMs(nowMs: number): number | null {
    const pathMs = this.#pathsMs.quantile(SAMPLES_SHARE, nowMs);
    return pathMs === null ? null : Math.min(LEAD_MAX_MS, Math.max(0, pathMs) + this.#marginMs);
  }

  reset(): void {
    this.#pathsMs.reset();
    this.#marginMs = MARGIN_MIN_MS;
    this.#adaptedAtMs = null;
  }
}
