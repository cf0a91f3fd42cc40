/** Series for charts: the samples where there are few, else buckets with their least, greatest and mean value. */

import type { SeriesWindow } from "./store.ts";

export interface SeriesPoints {
  /** Ascending. */
  timeUnixS: Float64Array<ArrayBuffer>;
  step: Float64Array<ArrayBuffer>;
  value: Float64Array<ArrayBuffer>;
}

/**
 * Buckets are equally long; those without samples are left out. NaN counts in `samples` and nowhere else; a bucket of
 * nothing but NaN has NaN everywhere. A bucket's step is that of its last sample.
 */
export function windowOf(name: string, points: SeriesPoints, pointsMax: number): SeriesWindow {
  const samples = points.value.length;
  if (samples <= pointsMax) return { name, ...points, samples };
  const firstS = points.timeUnixS[0]!;
  const bucketS = (points.timeUnixS[samples - 1]! - firstS) / pointsMax || 1;
  const bucketOf = (i: number) =>
    Math.min(pointsMax - 1, Math.floor((points.timeUnixS[i]! - firstS) / bucketS));
  const out = {
    timeUnixS: new Float64Array(pointsMax),
    step: new Float64Array(pointsMax),
    value: new Float64Array(pointsMax),
    min: new Float64Array(pointsMax),
    max: new Float64Array(pointsMax),
  };
  let count = 0;
  for (let i = 0; i < samples;) {
    const bucket = bucketOf(i);
    let least = Infinity, greatest = -Infinity, sum = 0, numbers = 0;
    for (; i < samples && bucketOf(i) === bucket; i++) {
      const value = points.value[i]!;
      if (Number.isNaN(value)) continue;
      if (value < least) least = value;
      if (value > greatest) greatest = value;
      sum += value;
      numbers++;
    }
    out.timeUnixS[count] = firstS + (bucket + 0.5) * bucketS;
    out.step[count] = points.step[i - 1]!;
    out.value[count] = numbers === 0 ? NaN : sum / numbers;
    out.min[count] = numbers === 0 ? NaN : least;
    out.max[count] = numbers === 0 ? NaN : greatest;
    count++;
  }
  const cut = (column: Float64Array<ArrayBuffer>) => column.slice(0, count);
  return {
    name,
    timeUnixS: cut(out.timeUnixS),
    step: cut(out.step),
    value: cut(out.value),
    min: cut(out.min),
    max: cut(out.max),
    samples,
  };
}
