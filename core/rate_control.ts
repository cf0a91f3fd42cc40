/**
 * What an encoder makes for viewers who cannot take all of it: less at once, more again slowly (AIMD). First the bits of
 * each picture, then, at the floor, the pictures.
 */

import type { Verdict } from "./link_meter.ts";

const NS_PER_MS = 1e6;
/** Time between two judgements. */
const JUDGE_NS = 500 * NS_PER_MS;
const DOWN_FACTOR = 0.8;
/** Added each second to what is left of the default. */
const UP_SHARE = 0.05;
const UP_INTERVAL_NS = 1_000 * NS_PER_MS;
/** After a step down it takes so long until the first step up. */
const UP_AFTER_NS = 3_000 * NS_PER_MS;
const RATE_UP_FACTOR = 1.25;
const RATE_MIN_HZ = 2;
const SHARE_MIN = 0.1;
const KBPS_MIN = 150;

/** Pure bookkeeping: times are arguments, ns of CLOCK_MONOTONIC. */
export class RateControl {
  /** Of the default bitrate (or quality), 0 to 1. */
  share = 1;
  /** Pictures per second at most; null = no cap. */
  rateMaxHz: number | null = null;
  #uncappedHz = 0;
  #judgedNs = -Infinity;
  #downNs = -Infinity;
  #upNs = -Infinity;

  /** Whether it is time for {@link step}. */
  isDue(nowNs: number): boolean {
    return nowNs - this.#judgedNs >= JUDGE_NS;
  }

  /**
   * Steps by what was seen of each viewer. The slowest that still takes pictures decides; one that stands still has no
   * vote. `madeHz` is the rate at which pictures were made, `defaultKbps` the bitrate of share 1. Returns whether
   * anything changed.
   */
  step(nowNs: number, verdicts: Iterable<Verdict>, madeHz: number, defaultKbps: number): boolean {
    this.#judgedNs = nowNs;
    const votes = new Set(verdicts);
    if (votes.has("behind")) return this.#down(nowNs, madeHz, defaultKbps);
    return votes.has("following") && this.#up(nowNs);
  }

  #down(nowNs: number, madeHz: number, defaultKbps: number): boolean {
    this.#downNs = nowNs;
    const floor = Math.min(1, Math.max(SHARE_MIN, KBPS_MIN / Math.max(defaultKbps, 1)));
    if (this.share > floor) {
      this.share = Math.max(floor, this.share * DOWN_FACTOR);
      return true;
    }
    if (this.rateMaxHz === null) this.#uncappedHz = madeHz;
    const rateHz = Math.max(
      RATE_MIN_HZ,
      Math.min(this.rateMaxHz ?? Infinity, madeHz) * DOWN_FACTOR,
    );
    if (rateHz === this.rateMaxHz || madeHz === 0) return false;
    this.rateMaxHz = rateHz;
    return true;
  }

  #up(nowNs: number): boolean {
    const tooSoon = nowNs - this.#downNs < UP_AFTER_NS || nowNs - this.#upNs < UP_INTERVAL_NS;
    if (tooSoon || (this.share === 1 && this.rateMaxHz === null)) return false;
    this.#upNs = nowNs;
    if (this.rateMaxHz === null) {
      this.share = Math.min(1, this.share + UP_SHARE);
      return true;
    }
    this.rateMaxHz *= RATE_UP_FACTOR;
    if (this.rateMaxHz >= this.#uncappedHz) this.rateMaxHz = null;
    return true;
  }
}
