/** A series for charts, of its samples: themselves where there are few, else buckets. */

import type { SeriesWindow } from "./store.ts";
import { WindowBuilder } from "./window_builder.ts";

export interface SeriesPoints {
  timeUnixS: Float64Array<ArrayBuffer>;
  /** NaN where there is none. */
  step: Float64Array<ArrayBuffer>;
  value: Float64Array<ArrayBuffer>;
}

/** Points in the order of their times; those of one time in the order in which they came. */
function inOrder(points: SeriesPoints): SeriesPoints {
  const { timeUnixS: times } = points;
  let i = 1;
  while (i < times.length && times[i - 1]! <= times[i]!) i++;
  if (i >= times.length) return points;
  const order = Array.from(times.keys()).sort((a, b) => times[a]! - times[b]!);
  const sorted = (column: Float64Array) => Float64Array.from(order, (i) => column[i]!);
  return { timeUnixS: sorted(times), step: sorted(points.step), value: sorted(points.value) };
}

/** At most `pointsMax` points. */
export function windowOf(name: string, points: SeriesPoints, pointsMax: number): SeriesWindow {
  const samples = points.value.length;
  const { timeUnixS, step, value } = inOrder(points);
  if (samples <= pointsMax) return { name, timeUnixS, step, value, samples };
  const builder = new WindowBuilder(timeUnixS[0]!, timeUnixS[samples - 1]!, pointsMax);
  for (let i = 0; i < samples; i++) {
    builder.add(timeUnixS[i]!, step[i]!, value[i]!, value[i]!, value[i]!, 1);
  }
  return builder.finish(name, samples);
}
