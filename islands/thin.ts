/** Many points to few: buckets of equally many points, each with its mean, least and greatest value. */

import type { SeriesColumns } from "./history_api.ts";

/** At most `points` points; what is few already is given back as it is. */
export function thin(series: SeriesColumns, points: number): SeriesColumns {
  const count = series.timeS.length;
  if (count <= points) return series;
  const timeS: number[] = [];
  const step: number[] = [];
  const value: number[] = [];
  const min: number[] = [];
  const max: number[] = [];
  for (let bucket = 0; bucket < points; bucket++) {
    const first = Math.floor(bucket * count / points);
    const end = Math.floor((bucket + 1) * count / points);
    const middle = (first + end) >> 1;
    timeS.push(series.timeS[middle]!);
    step.push(series.step[middle]!);
    let [sum, finite, least, greatest] = [0, 0, Infinity, -Infinity];
    for (let index = first; index < end; index++) {
      const one = series.value[index]!;
      if (Number.isNaN(one)) continue;
      sum += one;
      finite++;
      least = Math.min(least, one);
      greatest = Math.max(greatest, one);
    }
    value.push(finite === 0 ? NaN : sum / finite);
    min.push(finite === 0 ? NaN : least);
    max.push(finite === 0 ? NaN : greatest);
  }
  return { timeS, step, value, min, max };
}
