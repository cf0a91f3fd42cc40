/** Series of a run for lists and charts: from chunks by what stands beside them, from rows by themselves. */

import { type Axis, decodeAxis, decodeValues, toNumbers } from "./chunk_codec.ts";
import { addEnvelope, PIECE_SAMPLES } from "./envelope.ts";
import { keyOf, lastKeyOf } from "./keys.ts";
import { type Queries, samplesCompacted, type SeriesId, seriesOf } from "./queries.ts";
import { real } from "./row_decode.ts";
import type { SeriesInfo, SeriesWindow } from "./store.ts";
import { WindowBuilder } from "./window_builder.ts";
import { type SeriesPoints, windowOf } from "./windows.ts";

export function seriesInfos(queries: Queries, run: number): SeriesInfo[] {
  return queries.all(
    `SELECT name, samples + ifnull(recent, 0),
       ifnull(min(first_ns, recent_first_ns), ifnull(first_ns, recent_first_ns)),
       ifnull(max(last_ns, recent_last_ns), ifnull(last_ns, recent_last_ns)),
       CASE WHEN recent IS NULL THEN last_value
         ELSE (SELECT value FROM sample_row WHERE key = recent_key) END
     FROM series LEFT JOIN (
       SELECT series, count(*) AS recent, min(time_ns) AS recent_first_ns,
         max(time_ns) AS recent_last_ns, max(key) AS recent_key
       FROM sample_row WHERE key > ? AND key <= ? GROUP BY series
     ) ON series = series.id
     WHERE run = ? ORDER BY name`,
    keyOf(run, samplesCompacted(queries, run)),
    lastKeyOf(run),
    run,
  ).map(([name, samples, first, last, value]) => ({
    name: name as string,
    samples: Number(samples),
    firstTimeUnixNs: first as bigint,
    lastTimeUnixNs: last as bigint,
    lastValue: real(value),
  }));
}

interface TimeRange {
  fromTimeUnixNs: bigint | null;
  toTimeUnixNs: bigint | null;
}

interface Chunk {
  key: bigint;
  axis: bigint;
  samples: number;
  firstS: number;
  lastS: number;
  /** NaN: there is none. */
  lastStep: number;
  min: number;
  max: number;
  mean: number;
  /** All of its samples are in the range. */
  whole: boolean;
}

/** Times and steps as numbers; series that are logged together share them. */
interface NumberAxis {
  timeUnixS: Float64Array<ArrayBuffer>;
  step: Float64Array<ArrayBuffer>;
}

class ChunkReader {
  readonly #queries: Queries;
  readonly #axes = new Map<bigint, NumberAxis>();

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** Those of a series that may have samples of the range, in the order of their commits. */
  chunks(series: number, { fromTimeUnixNs, toTimeUnixNs }: TimeRange): Chunk[] {
    return this.#queries.all(
      `SELECT key, axis, CAST(samples AS REAL), first_ns, last_ns, CAST(last_step AS REAL),
         min, max, mean
       FROM sample_chunk WHERE key BETWEEN ? AND ? AND last_ns >= ? AND first_ns <= ?
       ORDER BY key`,
      keyOf(series, 0n),
      lastKeyOf(series),
      fromTimeUnixNs ?? TIME_MIN,
      toTimeUnixNs ?? TIME_MAX,
    ).map(([key, axis, samples, firstNs, lastNs, lastStep, min, max, mean]) => ({
      key: key as bigint,
      axis: axis as bigint,
      samples: samples as number,
      firstS: Number(firstNs) / 1e9,
      lastS: Number(lastNs) / 1e9,
      lastStep: real(lastStep),
      min: real(min),
      max: real(max),
      mean: real(mean),
      whole: (firstNs as bigint) >= (fromTimeUnixNs ?? TIME_MIN) &&
        (lastNs as bigint) <= (toTimeUnixNs ?? TIME_MAX),
    }));
  }

  values({ key }: Chunk): Float32Array | Float64Array {
    const [bytes] = this.#queries.get("SELECT value FROM sample_values WHERE key = ?", key)!;
    return decodeValues(bytes as Uint8Array);
  }

  envelope({ key }: Chunk): Uint8Array<ArrayBuffer> {
    const [bytes] = this.#queries.get("SELECT envelope FROM sample_envelope WHERE key = ?", key)!;
    return bytes as Uint8Array<ArrayBuffer>;
  }

  axis({ axis: key }: Chunk): NumberAxis {
    let axis = this.#axes.get(key);
    if (axis === undefined) {
      const [bytes] = this.#queries.get("SELECT axis FROM sample_axis WHERE key = ?", key)!;
      axis = numbersOf(decodeAxis(bytes as Uint8Array));
      this.#axes.set(key, axis);
    }
    return axis;
  }
}

const TIME_MIN = -(2n ** 63n);
const TIME_MAX = 2n ** 63n - 1n;

function numbersOf({ count, timeUnixNs, step }: Axis): NumberAxis {
  const timeUnixS = toNumbers(timeUnixNs);
  for (let i = 0; i < count; i++) timeUnixS[i]! /= 1e9;
  const steps = step === null ? new Float64Array(count).fill(NaN) : toNumbers(step);
  if (step !== null) { for (let i = 0; i < count; i++) if (steps[i]! < 0) steps[i] = NaN; }
  return { timeUnixS, step: steps };
}

export function seriesWindows(
  queries: Queries,
  run: number,
  { names, range, pointsMax }: {
    names: readonly string[] | null;
    range: TimeRange;
    pointsMax: number;
  },
): SeriesWindow[] {
  const series = seriesOf(queries, run, names);
  const reader = new ChunkReader(queries);
  const recent = recentPoints(queries, run, series, range);
  return series.map(({ id, name }) =>
    seriesWindow(reader, { name, recent: recent.get(id) ?? NO_POINTS, pointsMax }, {
      range,
      chunks: reader.chunks(id, range),
    })
  );
}

const NO_POINTS: SeriesPoints = {
  timeUnixS: new Float64Array(),
  step: new Float64Array(),
  value: new Float64Array(),
};

/** Samples that are rows still, by series. */
function recentPoints(
  queries: Queries,
  run: number,
  series: readonly SeriesId[],
  { fromTimeUnixNs, toTimeUnixNs }: TimeRange,
): Map<number, SeriesPoints> {
  const all = queries.all(
    `SELECT CAST(series AS REAL), time_ns / 1e9, CAST(step AS REAL), value FROM sample_row
     WHERE key > ? AND key <= ? AND time_ns BETWEEN ? AND ?
       AND series IN (SELECT value FROM json_each(?)) ORDER BY key`,
    keyOf(run, samplesCompacted(queries, run)),
    lastKeyOf(run),
    fromTimeUnixNs ?? TIME_MIN,
    toTimeUnixNs ?? TIME_MAX,
    JSON.stringify(series.map(({ id }) => id)),
  );
  const rowsOf = Map.groupBy(all, ([id]) => id as number);
  const column = (rows: typeof all, i: number) => Float64Array.from(rows, (row) => real(row[i]));
  return new Map(
    Array.from(rowsOf, ([id, rows]) => [id, {
      timeUnixS: column(rows, 1),
      step: column(rows, 2),
      value: column(rows, 3),
    }]),
  );
}

function seriesWindow(
  reader: ChunkReader,
  { name, recent, pointsMax }: { name: string; recent: SeriesPoints; pointsMax: number },
  { range, chunks }: { range: TimeRange; chunks: Chunk[] },
): SeriesWindow {
  const whole = chunks.filter((chunk) => chunk.whole);
  const samplesWhole = whole.reduce((sum, { samples }) => sum + samples, 0);
  // Chunks at the ends of the range are decoded in any case.
  const parts = chunks.filter((chunk) => !chunk.whole)
    .map((chunk) => within(pointsOf(reader, [chunk]), range));
  const edges = [...parts, recent];
  const samples = edges.reduce((sum, { value }) => sum + value.length, samplesWhole);
  if (samplesWhole <= pointsMax * PIECE_SAMPLES) {
    return windowOf(name, joined([pointsOf(reader, whole), ...edges]), pointsMax);
  }
  const [firstS, lastS] = timesOf(whole, edges);
  const builder = new WindowBuilder(firstS, lastS, pointsMax);
  const byHeaders = whole.length >= 2 * pointsMax;
  for (const chunk of whole) {
    if (byHeaders) {
      const { firstS, lastS, lastStep, min, max, mean, samples } = chunk;
      builder.add((firstS + lastS) / 2, lastStep, min, max, mean, samples);
    } else addEnvelope(builder, reader.envelope(chunk), chunk);
  }
  for (const { timeUnixS, step, value } of edges) {
    for (let i = 0; i < value.length; i++) {
      builder.add(timeUnixS[i]!, step[i]!, value[i]!, value[i]!, value[i]!, 1);
    }
  }
  return builder.finish(name, samples);
}

function pointsOf(reader: ChunkReader, chunks: readonly Chunk[]): SeriesPoints {
  const samples = chunks.reduce((sum, chunk) => sum + chunk.samples, 0);
  const points: SeriesPoints = {
    timeUnixS: new Float64Array(samples),
    step: new Float64Array(samples),
    value: new Float64Array(samples),
  };
  let at = 0;
  for (const chunk of chunks) {
    const { timeUnixS, step } = reader.axis(chunk);
    points.timeUnixS.set(timeUnixS, at);
    points.step.set(step, at);
    points.value.set(reader.values(chunk), at);
    at += chunk.samples;
  }
  return points;
}

function within(
  { timeUnixS, step, value }: SeriesPoints,
  { fromTimeUnixNs, toTimeUnixNs }: TimeRange,
): SeriesPoints {
  const fromS = fromTimeUnixNs === null ? -Infinity : Number(fromTimeUnixNs) / 1e9;
  const toS = toTimeUnixNs === null ? Infinity : Number(toTimeUnixNs) / 1e9;
  const inRange = (_: number, i: number) => timeUnixS[i]! >= fromS && timeUnixS[i]! <= toS;
  return {
    timeUnixS: timeUnixS.filter(inRange),
    step: step.filter(inRange),
    value: value.filter(inRange),
  };
}

function joined(parts: readonly SeriesPoints[]): SeriesPoints {
  const used = parts.filter(({ value }) => value.length > 0);
  if (used.length === 1) return used[0]!;
  const samples = used.reduce((sum, { value }) => sum + value.length, 0);
  const join = (column: keyof SeriesPoints) => {
    const all = new Float64Array(samples);
    let at = 0;
    for (const part of used) {
      all.set(part[column], at);
      at += part[column].length;
    }
    return all;
  };
  return { timeUnixS: join("timeUnixS"), step: join("step"), value: join("value") };
}

/** The first and the last time of all. */
function timesOf(whole: readonly Chunk[], edges: readonly SeriesPoints[]): [number, number] {
  let first = Infinity, last = -Infinity;
  for (const { firstS, lastS } of whole) {
    first = Math.min(first, firstS);
    last = Math.max(last, lastS);
  }
  for (const { timeUnixS } of edges) {
    for (const time of timeUnixS) {
      if (time < first) first = time;
      if (time > last) last = time;
    }
  }
  return [first, last];
}
