/** When a stream is asked for a keyframe: for whoever needs one, and not for each of them at once. */

const NS_PER_MS = 1e6;
/** Least time between two requests: a keyframe costs several times a packet, and all viewers get it. */
export const REQUEST_INTERVAL_NS = 250 * NS_PER_MS;
/** One that did not come within this time is asked for again: a producer may have missed the request. */
export const AWAIT_NS = 1_000 * NS_PER_MS;

/** Pure bookkeeping: times are arguments, ns of CLOCK_MONOTONIC. */
export class KeyframeDesk {
  #requestedNs = -Infinity;
  #awaited = false;

  /** Somebody needs one. Returns whether the stream is to be asked now. */
  ask(nowNs: number): boolean {
    if (nowNs < this.dueNs) return false;
    this.awaitFrom(nowNs);
    return true;
  }

  /** Not before it is asked again, whoever needs one. */
  get dueNs(): number {
    return this.#requestedNs + (this.#awaited ? AWAIT_NS : REQUEST_INTERVAL_NS);
  }

  /** One is on its way from now on: it was asked for, or a stream began, whose first packet is one. */
  awaitFrom(nowNs: number): void {
    this.#requestedNs = nowNs;
    this.#awaited = true;
  }

  /** One came. */
  came(): void {
    this.#awaited = false;
  }
}
