/** Gathers samples, or pieces of many of them, into the buckets of a chart. */

import type { SeriesWindow } from "./store.ts";

export class WindowBuilder {
  readonly #firstS: number;
  readonly #bucketS: number;
  readonly #step: Float64Array<ArrayBuffer>;
  readonly #sum: Float64Array<ArrayBuffer>;
  readonly #min: Float64Array<ArrayBuffer>;
  readonly #max: Float64Array<ArrayBuffer>;
  /** Samples that are numbers. */
  readonly #numbers: Float64Array<ArrayBuffer>;
  readonly #samples: Float64Array<ArrayBuffer>;

  /** Buckets are equally long, `bucketsMax` of them from the first to the last time, seconds since 1970. */
  constructor(firstS: number, lastS: number, bucketsMax: number) {
    this.#firstS = firstS;
    this.#bucketS = (lastS - firstS) / bucketsMax || 1;
    const column = (value: number) => new Float64Array(bucketsMax).fill(value);
    this.#step = column(NaN);
    this.#sum = column(0);
    this.#min = column(Infinity);
    this.#max = column(-Infinity);
    this.#numbers = column(0);
    this.#samples = column(0);
  }

  /** A sample (`min`, `max` and `mean` are its value), or many at about the same time. NaN for `min`: none is a number. */
  add(timeS: number, step: number, min: number, max: number, mean: number, samples: number): void {
    const last = this.#sum.length - 1;
    const bucket = Math.max(0, Math.min(last, Math.floor((timeS - this.#firstS) / this.#bucketS)));
    this.#samples[bucket]! += samples;
    if (step === step) this.#step[bucket] = step;
    if (min !== min) return; // NaN
    this.#numbers[bucket]! += samples;
    this.#sum[bucket]! += mean * samples;
    if (min < this.#min[bucket]!) this.#min[bucket] = min;
    if (max > this.#max[bucket]!) this.#max[bucket] = max;
  }

  /** Buckets without samples are left out; one of nothing but NaN has NaN everywhere. */
  finish(name: string, samples: number): SeriesWindow {
    const used: number[] = [];
    for (const [bucket, count] of this.#samples.entries()) if (count > 0) used.push(bucket);
    const column = (valueOf: (bucket: number) => number) => Float64Array.from(used, valueOf);
    const isNumber = (bucket: number) => this.#numbers[bucket]! > 0;
    return {
      name,
      timeUnixS: column((bucket) => this.#firstS + (bucket + 0.5) * this.#bucketS),
      step: column((bucket) => this.#step[bucket]!),
      value: column((bucket) => this.#sum[bucket]! / this.#numbers[bucket]!),
      min: column((bucket) => isNumber(bucket) ? this.#min[bucket]! : NaN),
      max: column((bucket) => isNumber(bucket) ? this.#max[bucket]! : NaN),
      samples,
    };
  }
}
