/** Chatty scalars: of the values that a series gets within a period only the first and the last go on. */

import { SERIES_MAX } from "./limits.ts";

export interface HeldSample {
  timeUnixNs: bigint;
  step: bigint | null;
  value: number;
}

interface Series {
  sentAtMs: number;
  held: HeldSample | null;
}

export class Coalescer {
  readonly #periodMs: number;
  readonly #series = new Map<string, Series>();
  /** Values that gave way to a later one. */
  replaced = 0;

  /** `hz` from above 0 to 1000. */
  constructor(hz: number) {
    if (!(hz > 0 && hz <= 1000)) throw new RangeError(`coalesceHz is ${hz}; expected up to 1000`);
    this.#periodMs = 1000 / hz;
  }

  get periodMs(): number {
    return this.#periodMs;
  }

  /** Whether the sample goes on now; else it is held until {@link takeDue}. */
  offer(name: string, sample: HeldSample, nowMs: number): boolean {
    const series = this.#series.get(name);
    if (series === undefined) {
      if (this.#series.size < SERIES_MAX) {
        this.#series.set(name, { sentAtMs: nowMs, held: null });
      }
      return true;
    }
    if (series.held === null && nowMs - series.sentAtMs >= this.#periodMs) {
      series.sentAtMs = nowMs;
      return true;
    }
    if (series.held !== null) this.replaced++;
    series.held = sample;
    return false;
  }

  /** Samples whose time has come; all of them with an infinite `nowMs`. */
  takeDue(nowMs: number): [name: string, sample: HeldSample][] {
    const due: [string, HeldSample][] = [];
    for (const [name, series] of this.#series) {
      if (series.held === null || nowMs - series.sentAtMs < this.#periodMs) continue;
      due.push([name, series.held]);
      series.held = null;
      series.sentAtMs = nowMs;
    }
    return due;
  }
}
