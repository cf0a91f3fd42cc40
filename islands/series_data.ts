/** The points of one chart: what was read, and what has come since. */

import type { SeriesColumns } from "./history_api.ts";

/** What is appended beyond so many points is thinned by the server: the series is read anew. */
const POINTS_MAX = 5_000;
/** Beside points that stand for many samples single ones look like another signal: there may be so many for each of them. */
const TAIL_SHARE_MAX = 0.5;

export class SeriesData implements SeriesColumns {
  timeS: number[] = [];
  step: number[] = [];
  value: number[] = [];
  min: number[] | null = null;
  max: number[] | null = null;
  #pointsMax: number;

  constructor(read: SeriesColumns) {
    this.timeS = Array.from(read.timeS);
    this.step = Array.from(read.step);
    this.value = Array.from(read.value);
    this.min = read.min && Array.from(read.min);
    this.max = read.max && Array.from(read.max);
    // A server may give more than was asked for; reading that again would give the same.
    this.#pointsMax = this.min === null
      ? Math.max(POINTS_MAX, 2 * this.timeS.length)
      : (1 + TAIL_SHARE_MAX) * this.timeS.length;
  }

  get points(): number {
    return this.timeS.length;
  }

  /** There are more points than are worth keeping. */
  get overfull(): boolean {
    return this.points > this.#pointsMax;
  }

  /** Adds samples that are newer than all that is here; others are here already. Returns how many there were. */
  append(more: SeriesColumns): number {
    const newestS = this.timeS.at(-1) ?? -Infinity;
    let appended = 0;
    for (let index = 0; index < more.timeS.length; index++) {
      const timeS = more.timeS[index]!;
      if (timeS <= newestS) continue;
      const value = more.value[index]!;
      this.timeS.push(timeS);
      this.step.push(more.step[index]!);
      this.value.push(value);
      this.min?.push(more.min?.[index] ?? value);
      this.max?.push(more.max?.[index] ?? value);
      appended++;
    }
    return appended;
  }
}
