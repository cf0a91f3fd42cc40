/** What makes a batch impossible to store, for whichever store. */

import { NO_STEP, type RowBatch } from "./records.ts";
import { indexBeyondI64 } from "./words.ts";

/** Counts and steps are stored as SQLite's integers. */
const INTEGER_MAX = 0x7fff_ffff_ffff_ffffn;
const SERIES_BYTES_MAX = 200;
const encoder = new TextEncoder();

/** Returns the reason for people, null when the batch can be stored. */
export function reasonToRefuse(batch: RowBatch): string | null {
  if (batch.firstSequence < 1n) return "the first row's sequence is 1, not 0";
  if (batch.count < 1) return "the message has no rows";
  switch (batch.kind) {
    case "steps": {
      const { step, timeUnixNs, episode, reward, flags, extraJson } = batch.rows;
      return columnsOf(batch, { step, timeUnixNs, episode, reward, flags, extraJson }) ??
        columnTooLarge("step", step) ?? columnTooLarge("episode", episode);
    }
    case "samples": {
      const { names, series, timeUnixNs, step, value } = batch.rows;
      return columnsOf(batch, { series, timeUnixNs, step, value }) ??
        strangeName(names) ?? unnamed(series, names.length) ??
        (step === null ? null : columnTooLarge("step", step, NO_STEP));
    }
    case "episodes":
      return rowsOf(batch, batch.rows) ??
        first(
          batch.rows,
          (row) =>
            tooLarge("episode", [row.episode]) ?? tooLarge("first step", [row.firstStep]) ??
              tooLarge("length", [row.length]),
        );
    case "histograms":
      return rowsOf(batch, batch.rows) ??
        first(batch.rows, (row) =>
          strangeName([row.series]) ?? largeStep(row.step) ??
            (row.edges.length === row.counts.length + 1
              ? null
              : `${row.counts.length} counts need ${row.counts.length + 1} edges, ` +
                `not ${row.edges.length}`));
    case "checkpoints":
      return rowsOf(batch, batch.rows) ??
        first(batch.rows, (row) => largeStep(row.step) ?? tooLarge("size", [row.sizeBytes]));
    case "logs":
      return rowsOf(batch, batch.rows) ?? first(batch.rows, (row) => largeStep(row.step));
    case "params":
      return rowsOf(batch, batch.rows);
  }
}

function first<Row>(rows: readonly Row[], check: (row: Row) => string | null): string | null {
  for (const row of rows) {
    const reason = check(row);
    if (reason !== null) return reason;
  }
  return null;
}

function rowsOf({ count }: RowBatch, rows: readonly unknown[]): string | null {
  return rows.length === count ? null : `${count} rows were announced, ${rows.length} came`;
}

function columnsOf(
  { count }: RowBatch,
  columns: Record<string, { length: number } | null>,
): string | null {
  for (const [name, column] of Object.entries(columns)) {
    if (column !== null && column.length !== count) {
      return `column ${name} has ${column.length} values, not ${count}`;
    }
  }
  return null;
}

function largeStep(step: bigint | null): string | null {
  return step === null ? null : tooLarge("step", [step]);
}

function tooLarge(what: string, values: readonly bigint[]): string | null {
  const value = values.find((value) => value > INTEGER_MAX);
  return value === undefined ? null : `${what} ${value} is beyond 2^63 - 1`;
}

function columnTooLarge(
  what: string,
  column: BigUint64Array<ArrayBuffer>,
  except?: bigint,
): string | null {
  const index = indexBeyondI64(column, except);
  return index < 0 ? null : tooLarge(what, [column[index]!]);
}

function strangeName(names: readonly string[]): string | null {
  for (const name of names) {
    const { length } = encoder.encode(name);
    if (length < 1 || length > SERIES_BYTES_MAX) {
      return `the series' name has ${length} bytes, it may have 1 to ${SERIES_BYTES_MAX}`;
    }
    // deno-lint-ignore no-control-regex
    if (/[\x00-\x1f\x7f]/.test(name)) {
      return `the series' name ${JSON.stringify(name)} has control characters`;
    }
  }
  return null;
}

function unnamed(series: Uint32Array, namesCount: number): string | null {
  for (const index of series) {
    if (index >= namesCount) return `a sample's series has number ${index}, which was not defined`;
  }
  return null;
}
