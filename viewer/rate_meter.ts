/** Events of the last second, and what they amount to. */

const WINDOW_MS = 1_000;
const EVENTS_MAX = 1_024;

export class RateMeter {
  readonly #atMs = new Float64Array(EVENTS_MAX);
  readonly #amounts = new Float64Array(EVENTS_MAX);
  #added = 0;

  /** `amount` is whatever is to be summed up, bytes perhaps. */
  add(nowMs: number, amount = 1): void {
    const index = this.#added++ % EVENTS_MAX;
    this.#atMs[index] = nowMs;
    this.#amounts[index] = amount;
  }

  /** Sum of the amounts of the second that ends at `nowMs`: the number of events where none was given. */
  perSecond(nowMs: number): number {
    const kept = Math.min(this.#added, EVENTS_MAX);
    let sum = 0;
    for (let back = 1; back <= kept; back++) {
      const index = (this.#added - back) % EVENTS_MAX;
      if (nowMs - this.#atMs[index]! > WINDOW_MS) break;
      sum += this.#amounts[index]!;
    }
    return sum;
  }
}
