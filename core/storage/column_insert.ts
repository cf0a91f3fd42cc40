/**
 * Inserts steps and samples as they come, packed, by the native library's tele_columns(): a statement takes a whole
 * message, and SQLite's own loop reads its columns.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { loadColumns } from "./columns.ts";
import { keyOf } from "./keys.ts";
import { NO_STEP, type SampleColumns, type StepColumns } from "./records.ts";

type Column =
  | BigUint64Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** Which rows of the columns are meant, and the number that the first of them gets in its run. */
export interface RowSlice {
  run: number;
  n: bigint;
  from: number;
  to: number;
}

function slice(column: Column, { from, to }: RowSlice): Uint8Array<ArrayBuffer> {
  const width = column.BYTES_PER_ELEMENT;
  return new Uint8Array(column.buffer, column.byteOffset + from * width, (to - from) * width);
}

export class ColumnInsert {
  readonly #steps: StatementSync;
  readonly #samples: StatementSync;

  constructor(db: DatabaseSync, libraryPath: string) {
    loadColumns(db, libraryPath);
    this.#steps = db.prepare(
      `INSERT INTO step_row (key, step, time_ns, episode, reward, flags)
       SELECT ? + rowid, c0, c1, c2, c3, c4 FROM tele_columns('qqqdb', ?, ?, ?, ?, ?)`,
    );
    this.#samples = db.prepare(
      `INSERT INTO sample_row (key, series, time_ns, step, value)
       SELECT ? + rowid, c0, c1, c2, c3 FROM tele_columns('uqsd', ?, ?, ?, ?)`,
    );
  }

  /** Steps without extras. */
  insertSteps(rows: StepColumns, at: RowSlice): void {
    const { step, timeUnixNs, episode, reward, flags } = rows;
    const columns = [step, timeUnixNs, episode, reward, flags].map((column) => slice(column, at));
    this.#steps.run(keyOf(at.run, at.n), ...columns);
  }

  /** `seriesIds`: the database's number of each name. */
  insertSamples(rows: SampleColumns, seriesIds: readonly number[], at: RowSlice): void {
    const { timeUnixNs, value } = rows;
    const series = rows.series.map((index) => seriesIds[index]!);
    const step = rows.step ?? new BigUint64Array(series.length).fill(NO_STEP);
    const columns = [series, timeUnixNs, step, value].map((column) => slice(column, at));
    this.#samples.run(keyOf(at.run, at.n), ...columns);
  }
}
