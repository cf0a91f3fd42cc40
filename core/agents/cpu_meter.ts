/** Processor time that counts up, as a part of one core. */

/** Between two readings: closer ones tell nothing. */
const SPAN_MS_MIN = 200;

export class CpuMeter {
  #seconds = 0;
  #atMs: number | null = null;
  #percent: number | null = null;

  /** null before two readings. */
  get percent(): number | null {
    return this.#percent;
  }

  add(seconds: number, nowMs: number): void {
    if (this.#atMs !== null) {
      const spanMs = nowMs - this.#atMs;
      if (spanMs < SPAN_MS_MIN) return;
      // Less than before: some that have ended were not counted.
      this.#percent = Math.max(0, (seconds - this.#seconds) * 1000 / spanMs) * 100;
    }
    this.#seconds = seconds;
    this.#atMs = nowMs;
  }
}
