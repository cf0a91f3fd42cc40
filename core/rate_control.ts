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
   * Steps by what was seen of each viewer. The slowest that still takes pictures decides on their bits, the quickest on
   * how many there are: one that cannot keep up is left out until the next keyframe. One that stands still has no vote.
   * `madeHz` is the rate at which pictures were made, `defaultKbps` the bitrate of share 1. Returns whether anything
   * changed.
   */
  step(nowNs: number, verdicts: Iterable<Verdict>, madeHz: number, defaultKbps: number): boolean {
    this.#judgedNs = nowNs;
    const votes = new Set(verdicts);
    const follows = votes.has("following");
    if (!votes.has("behind")) return follows && this.#up(nowNs);
    const shareMin = Math.min(1, Math.max(SHARE_MIN, KBPS_MIN / Math.max(defaultKbps, 1)));
    if (this.share > shareMin) return this.#lower(nowNs, shareMin);
    return follows ? this.#raiseRate(nowNs) : this.#lowerRate(nowNs, madeHz);
  }

  #lower(nowNs: number, shareMin: number): boolean {
    this.#downNs = nowNs;
    this.share = Math.max(shareMin, this.share * DOWN_FACTOR);
    return true;
  }

  #lowerRate(nowNs: number, madeHz: number): boolean {
    this.#downNs = nowNs;
    if (this.rateMaxHz === null) this.#uncappedHz = madeHz;
    const rateHz = Math.max(
      RATE_MIN_HZ,
      Math.min(this.rateMaxHz ?? Infinity, madeHz) * DOWN_FACTOR,
    );
    if (rateHz === this.rateMaxHz || madeHz === 0) return false;
    this.rateMaxHz = rateHz;
    return true;
  }

  #isTooSoonForUp(nowNs: number): boolean {
    return nowNs - this.#downNs < UP_AFTER_NS || nowNs - this.#upNs < UP_INTERVAL_NS;
  }

  #up(nowNs: number): boolean {
    if (this.rateMaxHz !== null) return this.#raiseRate(nowNs);
    if (this.share === 1 || this.#isTooSoonForUp(nowNs)) return false;
    this.#upNs = nowNs;
    this.share = Math.min(1, this.share + UP_SHARE);
    return true;
  }

  #raiseRate(nowNs: number): boolean {
    if (this.rateMaxHz === null || this.#isTooSoonForUp(nowNs)) return false;
    this.#upNs = nowNs;
    this.rateMaxHz *= RATE_UP_FACTOR;
    if (this.rateMaxHz >= this.#uncappedHz) this.rateMaxHz = null;
    return true;
  }
}
