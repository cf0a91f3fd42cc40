/** From a series to what a chart draws: one x axis, gaps as null, a band, a smoothed line. */

import type { SeriesColumns, TimeRange } from "./history_api.ts";

export type XAxis = "step" | "time";

export interface PlotOptions {
  axis: XAxis;
  /** Values that a logarithm does not have are gaps. */
  logY: boolean;
  /** Weight of what was before, 0 (none) to below 1; see {@link smooth}. */
  smoothing: number;
}

type Column = (number | null)[];

/** Columns of equal length; x never falls. */
export interface PlotColumns {
  axis: XAxis;
  x: number[];
  low: Column;
  high: Column;
  line: Column;
  smoothed: Column;
}

/** The axis that this series can be drawn over: without any step it is time. */
export function axisFor(series: SeriesColumns, wanted: XAxis): XAxis {
  if (wanted === "time") return "time";
  for (let index = 0; index < series.step.length; index++) {
    if (Number.isFinite(series.step[index])) return "step";
  }
  return "time";
}

export function plotColumns(series: SeriesColumns, options: PlotOptions): PlotColumns {
  const axis = axisFor(series, options.axis);
  const order = orderAlong(series, axis);
  const drawable = (value: number) => Number.isFinite(value) && (!options.logY || value > 0);
  const columnOf = (values: ArrayLike<number> | null): Column =>
    order.map((index) => {
      const value = values?.[index] ?? NaN;
      return drawable(value) ? value : null;
    });
  const positions = axis === "step" ? series.step : series.timeS;
  const line = columnOf(series.value);
  const high = columnOf(series.max);
  return {
    axis,
    x: order.map((index) => positions[index]!),
    low: options.logY ? raised(columnOf(series.min), high) : columnOf(series.min),
    high,
    line,
    smoothed: options.smoothing > 0 ? smooth(line, options.smoothing) : line.map(() => null),
  };
}

/** A band that begins where no logarithm is begins at the least value that has one. */
function raised(low: Column, high: Column): Column {
  let least = Infinity;
  for (const value of [...low, ...high]) {
    if (value !== null && value < least) least = value;
  }
  return low.map((value, index) => value ?? (high[index] === null ? null : least));
}

/** Indices of the points that have a place on the axis, in its order: a run taken up again counts some steps twice. */
function orderAlong(series: SeriesColumns, axis: XAxis): number[] {
  const positions = axis === "step" ? series.step : series.timeS;
  const order: number[] = [];
  let newest = -Infinity;
  let sorted = true;
  for (let index = 0; index < series.timeS.length; index++) {
    const position = positions[index]!;
    if (!Number.isFinite(position)) continue;
    order.push(index);
    if (position < newest) sorted = false;
    newest = position;
  }
  return sorted ? order : order.sort((a, b) => positions[a]! - positions[b]! || a - b);
}

/**
 * Exponential moving average as TensorBoard computes it: corrected for its start at 0, so that the first values are not
 * pulled down. Gaps stay gaps and do not count.
 */
export function smooth(values: Column, weight: number): Column {
  let sum = 0;
  let weights = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * weight + (1 - weight) * value;
    weights = weights * weight + (1 - weight);
    return sum / weights;
  });
}

/**
 * When the samples from position `min` to `max` of an axis were taken, and their neighbours, so that lines lead out of
 * the picture. null: the series has nothing there.
 */
export function timeRangeOf(
  series: SeriesColumns,
  axis: XAxis,
  min: number,
  max: number,
): TimeRange | null {
  if (axis === "time") return { fromS: min, toS: max };
  let first = -1;
  let last = -1;
  for (let index = 0; index < series.step.length; index++) {
    const step = series.step[index]!;
    if (step < min || step > max || Number.isNaN(step)) continue;
    if (first === -1) first = index;
    last = index;
  }
  if (first === -1) {
    // Between two points: these two.
    last = series.step.length;
    for (let index = 0; index < series.step.length; index++) {
      if (series.step[index]! < min) first = index;
      else if (series.step[index]! > max) last = Math.min(last, index);
    }
    if (first === -1 || last === series.step.length) return null;
    return { fromS: series.timeS[first]!, toS: series.timeS[last]! };
  }
  return {
    fromS: series.timeS[Math.max(0, first - 1)]!,
    toS: series.timeS[Math.min(series.timeS.length - 1, last + 1)]!,
  };
}
