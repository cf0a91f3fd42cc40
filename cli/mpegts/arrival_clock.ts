/**
 * When pictures are shown that only say when they came: steadily. Arrivals jitter by what a pipe and two schedulers add,
 * and players that take that for the pictures' own times stutter. An alpha-beta filter (as of a tracked target's place and
 * speed) follows them; what moves less than a frame is smoothed, what is a pause or a burst is followed at once.
 */

/** How much of an error the next time takes over, and how much the period: critically damped, in about 30 frames. */
const ALPHA = 1 / 8;
const BETA = ALPHA ** 2 / (2 - ALPHA);
/** A greater error is no jitter: the source stood still, or another rate began. */
const JUMP_NS = 250_000_000;

export class ArrivalClock {
  #lastNs = 0;
  #periodNs = 0;
  #arrivalsCount = 0;

  /** The time for a picture that came at `arrivalNs`, of any clock. It never goes back. */
  timeOf(arrivalNs: number): number {
    const expectedNs = this.#lastNs + this.#periodNs;
    if (Math.abs(arrivalNs - expectedNs) > JUMP_NS) this.#arrivalsCount = 0;
    const k = ++this.#arrivalsCount;
    if (k === 1) {
      this.#periodNs = 0;
      return this.#lastNs = Math.max(arrivalNs, this.#lastNs);
    }
    // Few arrivals are all that is known: the line of least squares through them.
    const errorNs = arrivalNs - expectedNs;
    const alpha = Math.max(ALPHA, 2 * (2 * k - 1) / (k * (k + 1)));
    const beta = Math.max(BETA, 6 / (k * (k + 1)));
    this.#periodNs = Math.max(0, this.#periodNs + errorNs * beta);
    return this.#lastNs = Math.max(expectedNs + errorNs * alpha, this.#lastNs);
  }
}
