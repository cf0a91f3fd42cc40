/** Rows of the database as records and columns. Each takes rows of arrays, `key` first (row_tables.ts). */

import type { ArrayRow } from "./array_statement.ts";
import type {
  CheckpointRow,
  EpisodeRow,
  HistogramRow,
  LogRow,
  ParamRow,
  StepColumns,
} from "./records.ts";

function text(value: unknown): string {
  return (value as string | null) ?? "";
}

/** NULL stands for NaN. */
export function real(value: unknown): number {
  return value === null ? NaN : Number(value);
}

/** A blob's bytes may stand anywhere; a typed array's elements stand at multiples of their size. */
function aligned(value: unknown): ArrayBuffer {
  return (value as Uint8Array<ArrayBuffer>).slice().buffer;
}

export function stepsOf(rows: readonly ArrayRow[]): StepColumns {
  const steps: StepColumns = {
    step: new BigUint64Array(rows.length),
    timeUnixNs: new BigInt64Array(rows.length),
    episode: new BigUint64Array(rows.length),
    reward: new Float64Array(rows.length),
    flags: new Uint8Array(rows.length),
    extraJson: rows.some((row) => row[6] !== null) ? rows.map((row) => text(row[6])) : null,
  };
  for (const [i, [, step, timeUnixNs, episode, reward, flags]] of rows.entries()) {
    steps.step[i] = step as bigint;
    steps.timeUnixNs[i] = timeUnixNs as bigint;
    steps.episode[i] = episode as bigint;
    steps.reward[i] = real(reward);
    steps.flags[i] = Number(flags);
  }
  return steps;
}

export function episodeOf(row: ArrayRow): EpisodeRow {
  const [, episode, startNs, endNs, firstStep, length, episodeReturn, flags, extra] = row;
  return {
    episode: episode as bigint,
    startTimeUnixNs: startNs as bigint,
    endTimeUnixNs: endNs as bigint,
    firstStep: firstStep as bigint,
    length: length as bigint,
    episodeReturn: real(episodeReturn),
    terminated: (Number(flags) & 1) !== 0,
    truncated: (Number(flags) & 2) !== 0,
    extraJson: text(extra),
  };
}

export function logOf([, timeUnixNs, level, source, line, step]: ArrayRow): LogRow {
  return {
    timeUnixNs: timeUnixNs as bigint,
    level: Number(level),
    source: source as string,
    text: line as string,
    step: step as bigint | null,
  };
}

export function paramOf([, key, valueJson, timeUnixNs]: ArrayRow): ParamRow {
  return {
    key: key as string,
    valueJson: valueJson as string,
    timeUnixNs: timeUnixNs as bigint,
  };
}

export function histogramOf([, series, timeUnixNs, step, edges, counts]: ArrayRow): HistogramRow {
  return {
    series: series as string,
    timeUnixNs: timeUnixNs as bigint,
    step: step as bigint | null,
    edges: new Float64Array(aligned(edges)),
    counts: new BigUint64Array(aligned(counts)),
  };
}

export function checkpointOf(row: ArrayRow): CheckpointRow {
  const [, name, timeUnixNs, step, size, sha256, metadata] = row;
  return {
    name: name as string,
    timeUnixNs: timeUnixNs as bigint,
    step: step as bigint | null,
    sizeBytes: size as bigint,
    sha256: sha256 as string,
    metadataJson: text(metadata),
  };
}
