/** Which table and which columns each kind of row has, and how a batch's rows are bound to them. */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { NO_STEP, type RowBatch, type RowKind, type SampleColumns } from "./records.ts";
import { type RowBinder, RowInsert } from "./row_insert.ts";
import { largestOf } from "./words.ts";

interface RowTable {
  table: string;
  columns: readonly string[];
}

/** Columns in the order in which they are bound; `key` stands before them. */
export const ROW_TABLES: Readonly<Record<RowKind, RowTable>> = {
  steps: {
    table: "step_row",
    columns: ["step", "time_ns", "episode", "reward", "flags", "extra"],
  },
  episodes: {
    table: "episode_row",
    columns: [
      ...["episode", "start_ns", "end_ns", "first_step", "length", "episode_return"],
      ...["flags", "extra"],
    ],
  },
  samples: { table: "sample_row", columns: ["series", "time_ns", "step", "value"] },
  logs: { table: "log_row", columns: ["time_ns", "level", "source", "text", "step"] },
  params: { table: "param_row", columns: ["name", "value", "time_ns"] },
  histograms: {
    table: "histogram_row",
    columns: ["series", "time_ns", "step", "edges", "counts"],
  },
  checkpoints: {
    table: "checkpoint_row",
    columns: ["name", "time_ns", "step", "size", "sha256", "metadata"],
  },
};

/** SQLite's text ends at a NUL for most who read it, so that it is stored as the picture of one, U+2400. */
export function storableText(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\u2400") : text;
}

function textOrNull(text: string): string | null {
  return text === "" ? null : storableText(text);
}

function bytesOf(values: Float64Array | BigUint64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

export function flagsOf(row: { terminated: boolean; truncated: boolean }): number {
  return (row.terminated ? 1 : 0) | (row.truncated ? 2 : 0);
}

/** `seriesId`: the database's number of a series' name, for samples. */
export function binderOf(
  batch: RowBatch,
  seriesId: (columns: SampleColumns) => readonly number[],
): RowBinder {
  switch (batch.kind) {
    case "steps": {
      const { step, timeUnixNs, episode, reward, flags, extraJson } = batch.rows;
      return (row, values, at) => {
        values[at] = step[row]!;
        values[at + 1] = timeUnixNs[row]!;
        values[at + 2] = episode[row]!;
        values[at + 3] = reward[row]!; // node:sqlite binds NaN as NULL
        values[at + 4] = flags[row]!;
        values[at + 5] = extraJson === null ? null : textOrNull(extraJson[row]!);
      };
    }
    case "samples": {
      const { series, timeUnixNs, step, value } = batch.rows;
      const ids = seriesId(batch.rows);
      return (row, values, at) => {
        const stepOfRow = step === null ? NO_STEP : step[row]!;
        values[at] = ids[series[row]!]!;
        values[at + 1] = timeUnixNs[row]!;
        values[at + 2] = stepOfRow === NO_STEP ? null : stepOfRow;
        values[at + 3] = value[row]!;
      };
    }
    case "episodes":
      return binder(batch.rows, (row) => [
        row.episode,
        row.startTimeUnixNs,
        row.endTimeUnixNs,
        row.firstStep,
        row.length,
        row.episodeReturn,
        flagsOf(row),
        textOrNull(row.extraJson),
      ]);
    case "logs":
      return binder(batch.rows, (row) => [
        row.timeUnixNs,
        row.level,
        storableText(row.source),
        storableText(row.text),
        row.step,
      ]);
    case "params":
      return binder(batch.rows, (row) => [
        storableText(row.key),
        storableText(row.valueJson),
        row.timeUnixNs,
      ]);
    case "histograms":
      return binder(batch.rows, (row) => [
        row.series,
        row.timeUnixNs,
        row.step,
        bytesOf(row.edges),
        bytesOf(row.counts),
      ]);
    case "checkpoints":
      return binder(batch.rows, (row) => [
        storableText(row.name),
        row.timeUnixNs,
        row.step,
        row.sizeBytes,
        row.sha256,
        textOrNull(row.metadataJson),
      ]);
  }
}

function binder<Row>(
  rows: readonly Row[],
  valuesOf: (row: Row) => readonly SQLInputValue[],
): RowBinder {
  return (row, values, at) => {
    for (const value of valuesOf(rows[row]!)) values[at++] = value;
  };
}

export function rowInserts(db: DatabaseSync): Record<RowKind, RowInsert> {
  const inserts = Object.entries(ROW_TABLES).map(([kind, { table, columns }]) =>
    [kind, new RowInsert(db, table, columns)] as const
  );
  return Object.fromEntries(inserts) as Record<RowKind, RowInsert>;
}

/** Time of the batch's newest row, ns since 1970. */
export function newestTimeUnixNs(batch: RowBatch): bigint {
  switch (batch.kind) {
    case "steps":
    case "samples":
      return largestOf(batch.rows.timeUnixNs);
    case "episodes":
      return largest(batch.rows.map(({ endTimeUnixNs }) => endTimeUnixNs));
    default:
      return largest(batch.rows.map(({ timeUnixNs }) => timeUnixNs));
  }
}

function largest(times: ArrayLike<bigint>): bigint {
  let newest = times[0]!;
  for (let i = 1; i < times.length; i++) if (times[i]! > newest) newest = times[i]!;
  return newest;
}
