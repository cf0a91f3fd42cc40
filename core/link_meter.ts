/** How well one viewer and the link to it follow, judged from its acks. */

const NS_PER_MS = 1e6;
/** Acks so much later than the earliest ones say that something queues; a share of those counts too, when it is more. */
const DELAY_GROWTH_NS = 60 * NS_PER_MS;
/** The earliest ack is that of this time and the time before it, so that a longer route becomes usual in the end. */
const BASELINE_NS = 10_000 * NS_PER_MS;
/** A viewer that misses more than this share of the packets does not follow. */
const MISSED_SHARE_MAX = 0.1;
/** Fewer offers than this say nothing. */
const OFFERS_MIN = 5;
/** A packet that the transport has not taken for so long waits for the link. */
const WRITE_NS_MAX = 150 * NS_PER_MS;
/** No ack for so long, with frames on their way: the viewer stands still. */
export const STALLED_NS = 1_000 * NS_PER_MS;

/** following: could take more; behind: the link or the viewer is too slow; stalled: no acks; idle: nothing was sent. */
export type Verdict = "following" | "behind" | "stalled" | "idle";

/** Pure bookkeeping: times are arguments, ns of CLOCK_MONOTONIC. */
export class LinkMeter {
  #delaySumNs = 0;
  #acksCount = 0;
  #offered = 0;
  #missed = 0;
  #earliestNs = Infinity;
  #earliestBeforeNs = Infinity;
  #baselineUntilNs = 0;

  /** An ack came so long after its frame was sent. */
  acked(delayNs: number, nowNs: number): void {
    if (nowNs >= this.#baselineUntilNs) {
      this.#earliestBeforeNs = this.#earliestNs;
      this.#earliestNs = Infinity;
      this.#baselineUntilNs = nowNs + BASELINE_NS;
    }
    this.#earliestNs = Math.min(this.#earliestNs, delayNs);
    this.#delaySumNs += delayNs;
    this.#acksCount++;
  }

  /** A packet was there for it, and it had room or not. */
  offered(taken: boolean): void {
    this.#offered++;
    if (!taken) this.#missed++;
  }

  /**
   * Judges the time since the last judgement, and begins anew. `oldestUnackedNs` and `oldestUnwrittenNs` tell when the
   * oldest frame was sent that is still on its way, and the oldest that the transport still has; null: none.
   */
  judge(nowNs: number, oldestUnackedNs: number | null, oldestUnwrittenNs: number | null): Verdict {
    const acksCount = this.#acksCount;
    const meanNs = this.#delaySumNs / acksCount;
    const missedShare = this.#offered >= OFFERS_MIN ? this.#missed / this.#offered : 0;
    this.#delaySumNs =
      this.#acksCount =
      this.#offered =
      this.#missed =
        0;
    if (oldestUnackedNs !== null && nowNs - oldestUnackedNs >= STALLED_NS) return "stalled";
    if (oldestUnwrittenNs !== null && nowNs - oldestUnwrittenNs > WRITE_NS_MAX) return "behind";
    if (missedShare > MISSED_SHARE_MAX) return "behind";
    if (acksCount === 0) return "idle";
    const usualNs = Math.min(this.#earliestNs, this.#earliestBeforeNs);
    return meanNs - usualNs > Math.max(DELAY_GROWTH_NS, usualNs) ? "behind" : "following";
  }
}
