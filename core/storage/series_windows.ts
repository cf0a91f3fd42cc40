/** Series of a run for lists and charts: from chunks by what stands beside them, from rows by themselves. */

import {
  type Axis,
  decodeAxis,
  decodeValues,
  integerAt,
  type Integers,
  toNumbers,
} from "./chunk_codec.ts";
import type { ArrayRow } from "./array_statement.ts";
import { addEnvelope, type ChunkEnvelope, decodeEnvelopes, PIECE_SAMPLES } from "./envelope.ts";
import { keyOf, lastKeyOf, numberOf } from "./keys.ts";
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

const TIME_MIN = -(2n ** 63n);
const TIME_MAX = 2n ** 63n - 1n;

/** Times and steps as numbers; series that are logged together share them. */
interface NumberAxis {
  timeUnixNs: Integers;
  timeUnixS: Float64Array<ArrayBuffer>;
  step: Float64Array<ArrayBuffer>;
}

/** One series in one block. */
interface Chunk extends ChunkEnvelope {
  /** Number of the block's first row. */
  firstNumber: bigint;
  axisKey: bigint;
}

function numbersOf({ count, timeUnixNs, step }: Axis): NumberAxis {
  const timeUnixS = toNumbers(timeUnixNs);
  for (let i = 0; i < count; i++) timeUnixS[i]! /= 1e9;
  const steps = step === null ? new Float64Array(count).fill(NaN) : toNumbers(step);
  if (step !== null) { for (let i = 0; i < count; i++) if (steps[i]! < 0) steps[i] = NaN; }
  return { timeUnixNs, timeUnixS, step: steps };
}

class ChunkReader {
  readonly #queries: Queries;
  readonly #run: number;
  readonly #axes = new Map<bigint, NumberAxis>();

  constructor(queries: Queries, run: number) {
    this.#queries = queries;
    this.#run = run;
  }

  /** Blocks that may have samples of the range. */
  blocksCount({ fromTimeUnixNs, toTimeUnixNs }: TimeRange): number {
    const [count] = this.#queries.get(
      "SELECT count(*) FROM sample_block WHERE key BETWEEN ? AND ? AND max_ns >= ? AND min_ns <= ?",
      keyOf(this.#run, 0n),
      lastKeyOf(this.#run),
      fromTimeUnixNs ?? TIME_MIN,
      toTimeUnixNs ?? TIME_MAX,
    )!;
    return Number(count);
  }

  /** Those that may have samples of the range, by series, in the order of their commits. */
  chunks({ fromTimeUnixNs, toTimeUnixNs }: TimeRange): Map<number, Chunk[]> {
    const blocks = this.#queries.all(
      `SELECT key, envelope FROM sample_block JOIN sample_envelope USING (key)
       WHERE key BETWEEN ? AND ? AND max_ns >= ? AND min_ns <= ? ORDER BY key`,
      keyOf(this.#run, 0n),
      lastKeyOf(this.#run),
      fromTimeUnixNs ?? TIME_MIN,
      toTimeUnixNs ?? TIME_MAX,
    );
    const { fromS, toS } = secondsOf({ fromTimeUnixNs, toTimeUnixNs });
    const bySeries = new Map<number, Chunk[]>();
    for (const [key, envelope] of blocks) {
      const blockKey = key as bigint;
      for (const chunk of decodeEnvelopes(envelope as Uint8Array<ArrayBuffer>)) {
        if (chunk.lastS < fromS || chunk.firstS > toS) continue;
        let chunks = bySeries.get(chunk.series);
        if (chunks === undefined) bySeries.set(chunk.series, chunks = []);
        const axisKey = blockKey + BigInt(chunk.axis);
        chunks.push({ ...chunk, firstNumber: numberOf(blockKey), axisKey });
      }
    }
    return bySeries;
  }

  /** Whole chunks as points: for a range so long that even envelopes are too much. */
  heads(series: number, { fromTimeUnixNs, toTimeUnixNs }: TimeRange): ArrayRow[] {
    return this.#queries.all(
      `SELECT (first_ns + last_ns) / 2e9, CAST(last_step AS REAL), min, max, mean,
         CAST(samples AS REAL)
       FROM sample_chunk WHERE key BETWEEN ? AND ? AND last_ns >= ? AND first_ns <= ?
       ORDER BY key`,
      keyOf(series, 0n),
      lastKeyOf(series),
      fromTimeUnixNs ?? TIME_MIN,
      toTimeUnixNs ?? TIME_MAX,
    );
  }

  values({ series, firstNumber }: Chunk): Float32Array | Float64Array {
    const key = keyOf(series, firstNumber);
    const [bytes] = this.#queries.get("SELECT value FROM sample_values WHERE key = ?", key)!;
    return decodeValues(bytes as Uint8Array);
  }

  axis({ axisKey }: Chunk): NumberAxis {
    let axis = this.#axes.get(axisKey);
    if (axis === undefined) {
      const [bytes] = this.#queries.get("SELECT axis FROM sample_axis WHERE key = ?", axisKey)!;
      axis = numbersOf(decodeAxis(bytes as Uint8Array));
      this.#axes.set(axisKey, axis);
    }
    return axis;
  }
}

function secondsOf({ fromTimeUnixNs, toTimeUnixNs }: TimeRange): { fromS: number; toS: number } {
  return {
    fromS: fromTimeUnixNs === null ? -Infinity : Number(fromTimeUnixNs) / 1e9,
    toS: toTimeUnixNs === null ? Infinity : Number(toTimeUnixNs) / 1e9,
  };
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
  const reader = new ChunkReader(queries, run);
  const recent = recentPoints(queries, run, series, range);
  const recentOf = (id: number) => recent.get(id) ?? NO_POINTS;
  if (reader.blocksCount(range) >= 2 * pointsMax) {
    return series.map(({ id, name }) =>
      windowOfHeads(name, reader.heads(id, range), recentOf(id), pointsMax)
    );
  }
  const chunks = reader.chunks(range);
  return series.map(({ id, name }) =>
    windowOfChunks(reader, { name, recent: recentOf(id), pointsMax }, {
      range,
      chunks: chunks.get(id) ?? [],
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

function windowOfHeads(
  name: string,
  heads: readonly ArrayRow[],
  recent: SeriesPoints,
  pointsMax: number,
): SeriesWindow {
  let [firstS, lastS] = timesOf([], [recent]);
  let samples = recent.value.length;
  for (const [timeS, , , , , count] of heads) {
    firstS = Math.min(firstS, timeS as number);
    lastS = Math.max(lastS, timeS as number);
    samples += count as number;
  }
  const builder = new WindowBuilder(firstS, lastS, pointsMax);
  for (const [timeS, lastStep, min, max, mean, count] of heads) {
    const values = [real(lastStep), real(min), real(max), real(mean)] as const;
    builder.add(timeS as number, ...values, count as number);
  }
  addPoints(builder, recent);
  return builder.finish(name, samples);
}

function windowOfChunks(
  reader: ChunkReader,
  { name, recent, pointsMax }: { name: string; recent: SeriesPoints; pointsMax: number },
  { range, chunks }: { range: TimeRange; chunks: Chunk[] },
): SeriesWindow {
  const { fromS, toS } = secondsOf(range);
  // One that is at a bound as far as f64 tells may have samples some ns beyond it.
  const isWhole = ({ firstS, lastS }: Chunk) => firstS > fromS && lastS < toS;
  const whole = chunks.filter(isWhole);
  const samplesWhole = whole.reduce((sum, { samples }) => sum + samples, 0);
  // Chunks at the ends of the range are decoded in any case.
  const parts = chunks.filter((chunk) => !isWhole(chunk))
    .map((chunk) => within(reader.axis(chunk), reader.values(chunk), range));
  const edges = [...parts, recent];
  if (samplesWhole <= pointsMax * PIECE_SAMPLES) {
    return windowOf(name, pointsOf(reader, whole, edges), pointsMax);
  }
  const builder = new WindowBuilder(...timesOf(whole, edges), pointsMax);
  for (const chunk of whole) addEnvelope(builder, chunk);
  for (const points of edges) addPoints(builder, points);
  const samples = edges.reduce((sum, { value }) => sum + value.length, samplesWhole);
  return builder.finish(name, samples);
}

function addPoints(builder: WindowBuilder, { timeUnixS, step, value }: SeriesPoints): void {
  for (let i = 0; i < value.length; i++) {
    builder.add(timeUnixS[i]!, step[i]!, value[i]!, value[i]!, value[i]!, 1);
  }
}

/** The samples of chunks, and then others. */
function pointsOf(
  reader: ChunkReader,
  chunks: readonly Chunk[],
  others: readonly SeriesPoints[],
): SeriesPoints {
  const samples = chunks.reduce((sum, chunk) => sum + chunk.samples, 0) +
    others.reduce((sum, { value }) => sum + value.length, 0);
  const points: SeriesPoints = {
    timeUnixS: new Float64Array(samples),
    step: new Float64Array(samples),
    value: new Float64Array(samples),
  };
  let at = 0;
  const add = (
    { timeUnixS, step }: Pick<NumberAxis, "timeUnixS" | "step">,
    value: Float64Array | Float32Array,
  ) => {
    points.timeUnixS.set(timeUnixS, at);
    points.step.set(step, at);
    points.value.set(value, at);
    at += value.length;
  };
  for (const chunk of chunks) add(reader.axis(chunk), reader.values(chunk));
  for (const other of others) add(other, other.value);
  return points;
}

function within(
  { timeUnixNs, timeUnixS, step }: NumberAxis,
  values: Float64Array | Float32Array,
  range: TimeRange,
): SeriesPoints {
  const { fromS, toS } = secondsOf(range);
  const { fromTimeUnixNs, toTimeUnixNs } = range;
  const inRange = (_: number, i: number) => {
    const timeS = timeUnixS[i]!;
    if (timeS > fromS && timeS < toS) return true;
    if (timeS < fromS || timeS > toS) return false;
    const timeNs = integerAt(timeUnixNs, i); // f64 cannot tell
    return timeNs >= (fromTimeUnixNs ?? TIME_MIN) && timeNs <= (toTimeUnixNs ?? TIME_MAX);
  };
  return {
    timeUnixS: timeUnixS.filter(inRange),
    step: step.filter(inRange),
    value: Float64Array.from(values).filter(inRange),
  };
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
