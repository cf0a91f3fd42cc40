/** Numbers of the last few seconds in kept arrays, and their quantiles. */

export class SampleWindow {
  readonly #windowMs: number;
  readonly #values: Float64Array;
  readonly #takenAtMs: Float64Array;
  readonly #sorted: Float64Array;
  #added = 0;

  /** Beyond `samplesMax` the oldest are forgotten. */
  constructor(windowMs: number, samplesMax: number) {
    this.#windowMs = windowMs;
    this.#values = new Float64Array(samplesMax);
    this.#takenAtMs = new Float64Array(samplesMax);
    this.#sorted = new Float64Array(samplesMax);
  }

  add(value: number, nowMs: number): void {
    const index = this.#added % this.#values.length;
    this.#values[index] = value;
    this.#takenAtMs[index] = nowMs;
    this.#added++;
  }

  reset(): void {
    this.#added = 0;
  }

  /** The last number added; NaN while there is none. */
  get newest(): number {
    const { length } = this.#values;
    return this.#added === 0 ? NaN : this.#values[(this.#added - 1) % length]!;
  }

  /**
   * The numbers of the window that ends at `nowMs`, smallest first, in memory that is used again; null while it is
   * empty.
   */
  sorted(nowMs: number): Float64Array | null {
    const { length } = this.#values;
    const kept = Math.min(this.#added, length);
    let samples = 0;
    for (let back = 1; back <= kept; back++) {
      const index = (this.#added - back) % length;
      if (nowMs - this.#takenAtMs[index]! > this.#windowMs) break;
      this.#sorted[samples++] = this.#values[index]!;
    }
    return samples === 0 ? null : this.#sorted.subarray(0, samples).sort();
  }

  /** The nearest-rank quantiles of these shares (0 to 1) in the window that ends at `nowMs`; null while it is empty. */
  quantiles(shares: readonly number[], nowMs: number): number[] | null {
    const sorted = this.sorted(nowMs);
    return sorted && shares.map((share) => nearestRank(sorted, share));
  }

  quantile(share: number, nowMs: number): number | null {
    return this.quantiles([share], nowMs)?.[0] ?? null;
  }
}

/** The quantile of a share (0 to 1) of numbers that are sorted and not none. */
export function nearestRank(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}
