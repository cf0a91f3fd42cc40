/** Reads `telebridge.db`, while its writer writes in this process or in another, or when nobody does. */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { UserError } from "../errors.ts";
import { type ArrayRow, type ArrayStatement, prepareArrays } from "./array_statement.ts";
import { connectReader } from "./connection.ts";
import { numberAfter, pageOf } from "./cursor.ts";
import { keyOf, lastKeyOf, numberOf } from "./keys.ts";
import type {
  CheckpointRow,
  EpisodeRow,
  HistogramRow,
  LogRow,
  ParamRow,
  RowKind,
  RunRecord,
  SampleColumns,
  StepColumns,
} from "./records.ts";
import { NO_STEP } from "./records.ts";
import {
  checkpointOf,
  episodeOf,
  histogramOf,
  logOf,
  paramOf,
  real,
  stepsOf,
} from "./row_decode.ts";
import { ROW_TABLES } from "./row_tables.ts";
import { runOf, selectRuns } from "./run_table.ts";
import { storeError } from "./sqlite_errors.ts";
import type { Cursor, Page, RowRange, SeriesInfo, SeriesWindow, StoreReader } from "./store.ts";
import { windowOf } from "./windows.ts";

const RUNS_PAGE_MAX = 100;

/** What bounds of a {@link RowRange} mean for a kind of row: SQL that a row must meet, with one `?`. */
type RangeColumns = Partial<Record<keyof RowRange, string>>;

const BY_TIME: RangeColumns = { fromTimeUnixNs: "time_ns >= ?", toTimeUnixNs: "time_ns <= ?" };
const BY_STEP: RangeColumns = { fromStep: "step >= ?", toStep: "step <= ?" };
const BY_EPISODE: RangeColumns = { fromEpisode: "episode >= ?", toEpisode: "episode <= ?" };
const RANGES = {
  steps: { ...BY_TIME, ...BY_STEP, ...BY_EPISODE },
  episodes: {
    ...BY_EPISODE,
    fromTimeUnixNs: "end_ns >= ?",
    toTimeUnixNs: "end_ns <= ?",
    fromStep: "first_step + length > ?",
    toStep: "first_step <= ?",
  },
  samples: { ...BY_TIME, ...BY_STEP },
  logs: { ...BY_TIME, ...BY_STEP },
} satisfies Partial<Record<RowKind, RangeColumns>>;

interface Filter {
  conditions: string[];
  values: SQLInputValue[];
}

function filterOf(range: RowRange, columns: RangeColumns): Filter {
  const filter: Filter = { conditions: [], values: [] };
  for (const [bound, condition] of Object.entries(columns)) {
    const value = range[bound as keyof RowRange];
    if (value === null || value === undefined) continue;
    filter.conditions.push(condition);
    filter.values.push(value);
  }
  return filter;
}

export class SqliteReader implements StoreReader {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, ArrayStatement>();

  /** Throws `StoreUnavailable`, and `UserError` for a database that is not ours or too new. */
  constructor(path: string) {
    this.#path = path;
    this.#db = connectReader(path);
  }

  runs({ tags = [], limit = RUNS_PAGE_MAX, after }: {
    tags?: string[];
    limit?: number;
    after?: Cursor;
  } = {}): Page<RunRecord[]> {
    return this.#snapshot("list the runs", () => {
      const conditions = ["NOT run.deleted"];
      const values: SQLInputValue[] = [];
      for (const tag of tags) {
        conditions.push("EXISTS (SELECT 1 FROM run_tag WHERE run = run.id AND tag = ?)");
        values.push(tag);
      }
      if (after !== undefined) {
        const [, startNs, id] = /^(-?\d{1,19})\.(\d{1,10})$/.exec(after) ?? [];
        if (id === undefined) throw new UserError(`there is no page after "${after}"`);
        conditions.push("(run.start_ns, run.id) < (?, ?)");
        values.push(BigInt(startNs!), BigInt(id));
      }
      const found = this.#all(
        selectRuns(
          `WHERE ${conditions.join(" AND ")} GROUP BY run.id
           ORDER BY run.start_ns DESC, run.id DESC LIMIT ?`,
        ),
        ...values,
        BigInt(limit + 1),
      );
      const rows = found.slice(0, limit);
      const last = rows.at(-1);
      const end = last === undefined ? after ?? "" : `${last[3]}.${last[0]}`;
      return { rows: rows.map(runOf), next: found.length > limit ? end : null, end };
    });
  }

  run(runId: string): RunRecord | null {
    return this.#snapshot(`read run ${runId}`, () => {
      const row = this.#get(
        selectRuns("WHERE run.name = ? AND NOT run.deleted GROUP BY run.id"),
        runId,
      );
      return row === undefined ? null : runOf(row);
    });
  }

  params(runId: string): ParamRow[] {
    return this.#ofRun(runId, [], (run) =>
      this.#all(
        `SELECT key, name, value, time_ns FROM param_row WHERE key IN
           (SELECT max(key) FROM param_row WHERE key BETWEEN ? AND ? GROUP BY name)
         ORDER BY key`,
        keyOf(run, 0n),
        lastKeyOf(run),
      ).map(paramOf));
  }

  series(runId: string): SeriesInfo[] {
    return this.#ofRun(runId, [], (run) =>
      this.#all(
        `SELECT name, samples, first_ns, last_ns,
           (SELECT value FROM sample_row WHERE key = last_key)
         FROM (SELECT series.name AS name, count(*) AS samples, min(time_ns) AS first_ns,
             max(time_ns) AS last_ns, max(key) AS last_key
           FROM sample_row JOIN series ON series.id = sample_row.series
           WHERE key BETWEEN ? AND ? GROUP BY series.id)
         ORDER BY name`,
        keyOf(run, 0n),
        lastKeyOf(run),
      ).map(([name, samples, first, last, value]) => ({
        name: name as string,
        samples: Number(samples),
        firstTimeUnixNs: first as bigint,
        lastTimeUnixNs: last as bigint,
        lastValue: real(value),
      })));
  }

  steps(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<StepColumns> {
    const page = this.#page(runId, "steps", filterOf(range, RANGES.steps), after, limit);
    return { ...page, rows: stepsOf(page.rows) };
  }

  episodes(
    runId: string,
    range: RowRange,
    after: Cursor | null,
    limit: number,
  ): Page<EpisodeRow[]> {
    const page = this.#page(runId, "episodes", filterOf(range, RANGES.episodes), after, limit);
    return { ...page, rows: page.rows.map(episodeOf) };
  }

  samples(
    runId: string,
    range: RowRange,
    after: Cursor | null,
    limit: number,
    series: readonly string[] | null = null,
  ): Page<SampleColumns> {
    const filter = filterOf(range, RANGES.samples);
    if (series !== null) {
      filter.conditions.push(
        "series IN (SELECT series.id FROM series JOIN run ON run.id = series.run " +
          "JOIN json_each(?) ON json_each.value = series.name WHERE NOT run.deleted AND run.name = ?)",
      );
      filter.values.push(JSON.stringify(series), runId);
    }
    const page = this.#page(runId, "samples", filter, after, limit);
    return { ...page, rows: this.#sampleColumns(page.rows) };
  }

  logs(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<LogRow[]> {
    const page = this.#page(runId, "logs", filterOf(range, RANGES.logs), after, limit);
    return { ...page, rows: page.rows.map(logOf) };
  }

  lastLogs(runId: string, limit: number): Page<LogRow[]> {
    const committed = this.#ofRun(runId, 0n, (run) => this.#committed(run, "logs"));
    const seen = committed - BigInt(limit);
    return this.logs(runId, {}, seen > 0n ? String(seen) : null, limit);
  }

  histograms(
    runId: string,
    series: string | null,
    after: Cursor | null,
    limit: number,
  ): Page<HistogramRow[]> {
    const filter = series === null
      ? { conditions: [], values: [] }
      : { conditions: ["series = ?"], values: [series] };
    const page = this.#page(runId, "histograms", filter, after, limit);
    return { ...page, rows: page.rows.map(histogramOf) };
  }

  checkpoints(runId: string): CheckpointRow[] {
    return this.#ofRun(runId, [], (run) =>
      this.#all(
        `SELECT key, ${ROW_TABLES.checkpoints.columns.join(", ")} FROM checkpoint_row
         WHERE key BETWEEN ? AND ? ORDER BY key`,
        keyOf(run, 0n),
        lastKeyOf(run),
      ).map(checkpointOf));
  }

  windows(
    runId: string,
    series: readonly string[] | null,
    range: { fromTimeUnixNs: bigint | null; toTimeUnixNs: bigint | null },
    pointsMax: number,
  ): SeriesWindow[] {
    return this.#ofRun(runId, [], (run) => {
      const wanted = this.#seriesOf(run, series);
      const { conditions, values } = filterOf(range, BY_TIME);
      return wanted.map(({ id, name }) => {
        const rows = this.#all(
          `SELECT time_ns, step, value FROM sample_row
           WHERE ${["key BETWEEN ? AND ?", "series = ?", ...conditions].join(" AND ")}
           ORDER BY time_ns, key`,
          keyOf(run, 0n),
          lastKeyOf(run),
          id,
          ...values,
        );
        return windowOf(
          name,
          {
            timeUnixS: Float64Array.from(rows, ([timeNs]) => Number(timeNs) / 1e9),
            step: Float64Array.from(rows, ([, step]) => real(step)),
            value: Float64Array.from(rows, ([, , value]) => real(value)),
          },
          pointsMax,
        );
      });
    });
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #seriesOf(run: number, names: readonly string[] | null): { id: number; name: string }[] {
    const all = this.#all("SELECT id, name FROM series WHERE run = ? ORDER BY name", run)
      .map(([id, name]) => ({ id: Number(id), name: name as string }));
    return names === null ? all : all.filter(({ name }) => names.includes(name));
  }

  #sampleColumns(rows: readonly ArrayRow[]): SampleColumns {
    const names: string[] = [];
    const indexes = new Map<bigint, number>();
    const columns: SampleColumns = {
      names,
      series: new Uint32Array(rows.length),
      timeUnixNs: new BigInt64Array(rows.length),
      step: rows.some((row) => row[3] !== null) ? new BigUint64Array(rows.length) : null,
      value: new Float64Array(rows.length),
    };
    for (const [i, [, series, timeNs, step, value]] of rows.entries()) {
      let index = indexes.get(series as bigint);
      if (index === undefined) {
        index = names.length;
        indexes.set(series as bigint, index);
        names.push(this.#get("SELECT name FROM series WHERE id = ?", series!)![0] as string);
      }
      columns.series[i] = index;
      columns.timeUnixNs[i] = timeNs as bigint;
      if (columns.step !== null) columns.step[i] = step === null ? NO_STEP : step as bigint;
      columns.value[i] = real(value);
    }
    return columns;
  }

  /** A page of a run's rows of one kind, in the order of their keys. */
  #page(
    runId: string,
    kind: RowKind,
    { conditions, values }: Filter,
    after: Cursor | null,
    limit: number,
  ): Page<ArrayRow[]> {
    const seen = numberAfter(after);
    const nothing = pageOf([], { lastNumber: seen, more: false, committed: seen });
    return this.#ofRun(runId, nothing, (run) => {
      const { table, columns } = ROW_TABLES[kind];
      const committed = this.#committed(run, kind);
      const found = this.#all(
        `SELECT key, ${columns.join(", ")} FROM ${table}
         WHERE ${["key > ?", "key <= ?", ...conditions].join(" AND ")} ORDER BY key LIMIT ?`,
        keyOf(run, seen),
        lastKeyOf(run),
        ...values,
        BigInt(limit + 1),
      );
      const rows = found.slice(0, limit);
      const lastNumber = rows.length === 0 ? seen : numberOf(rows.at(-1)![0] as bigint);
      return pageOf(rows, { lastNumber, more: found.length > limit, committed });
    });
  }

  /** The number of the newest row. */
  #committed(run: number, kind: RowKind): bigint {
    const sql = `SELECT ifnull(sum(${kind}), 0) FROM stream WHERE run = ?`;
    return this.#get(sql, run)![0] as bigint;
  }

  #ofRun<Result>(runId: string, otherwise: Result, read: (run: number) => Result): Result {
    return this.#snapshot(`read run ${runId}`, () => {
      const run = this.#get("SELECT id FROM run WHERE name = ? AND NOT deleted", runId);
      return run === undefined ? otherwise : read(Number(run[0]));
    });
  }

  /** What `read` sees is of one moment; it keeps the WAL from being begun anew only meanwhile. */
  #snapshot<Result>(doing: string, read: () => Result): Result {
    try {
      this.#db.exec("BEGIN");
      try {
        return read();
      } finally {
        this.#db.exec("COMMIT");
      }
    } catch (error) {
      throw storeError(error, `${doing} in ${this.#path}`);
    }
  }

  #statement(sql: string): ArrayStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = prepareArrays(this.#db, sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #all(sql: string, ...values: SQLInputValue[]): ArrayRow[] {
    return this.#statement(sql).all(...values);
  }

  #get(sql: string, ...values: SQLInputValue[]): ArrayRow | undefined {
    return this.#statement(sql).get(...values);
  }
}
