/** Rows at the speed at which they were made, or a multiple of it. */

const NS_PER_MS = 1e6;

export class Pace {
  readonly #speed: number;
  readonly #nowMs: () => number;
  #startedAtMs = 0;
  #firstUnixNs: bigint | null = null;

  /** `nowMs` is a clock that never steps back. */
  constructor(options: { speed: number; nowMs: () => number }) {
    this.#speed = options.speed;
    this.#nowMs = options.nowMs;
  }

  /** How long a row of this time waits, ms; the first row ever waits for nothing. 0 = it is due. */
  waitMs(timeUnixNs: bigint): number {
    if (this.#speed === Infinity) return 0;
    if (this.#firstUnixNs === null) {
      this.#firstUnixNs = timeUnixNs;
      this.#startedAtMs = this.#nowMs();
    }
    const afterMs = Number(timeUnixNs - this.#firstUnixNs) / NS_PER_MS / this.#speed;
    return Math.max(0, this.#startedAtMs + afterMs - this.#nowMs());
  }
}
