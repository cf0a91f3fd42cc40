/** Reads `telebridge.db`, while its writer writes in this process or in another, or when nobody does. */

import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { UserError } from "../errors.ts";
import type { ArrayRow } from "./array_statement.ts";
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
import { checkpointOf, episodeOf, histogramOf, logOf, paramOf, stepsOf } from "./row_decode.ts";
import { ROW_TABLES } from "./row_tables.ts";
import { runOf, selectRuns } from "./run_table.ts";
import { storeError } from "./sqlite_errors.ts";
import type {
  Cursor,
  Page,
  RowRange,
  RunsQuery,
  SeriesInfo,
  SeriesWindow,
  StoreReader,
} from "./store.ts";
import { NO_SAMPLES, SamplePages } from "./sample_pages.ts";
import { seriesInfos, seriesWindows } from "./series_windows.ts";
import { type Filter, filterOf, RANGES } from "./row_filter.ts";
import { Queries, rowsCommitted } from "./queries.ts";

const RUNS_PAGE_MAX = 100;
/** A page of rows with large texts ends with the piece that brings it here. */
const PAGE_CHARS_MAX = 8 * 1024 * 1024;
/** Rows that are read at a time; an extra may have 64 KiB, a log's text 1 MiB. */
const PIECE_ROWS: Readonly<Partial<Record<RowKind, number>>> = { steps: 256 };
const LARGE_PIECE_ROWS = 16;
/** Where words of a run are looked for. */
const TEXTS = `run.name || char(10) || run.state || char(10) || run.note || char(10) ||
  ifnull((SELECT group_concat(tag, char(10)) FROM run_tag WHERE run = run.id), '')`;

export class SqliteReader implements StoreReader {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #queries: Queries;
  readonly #samples: SamplePages;

  /** Throws `StoreUnavailable`, and `UserError` for a database that is not ours or too new. */
  constructor(path: string) {
    this.#path = path;
    this.#db = connectReader(path);
    this.#queries = new Queries(this.#db);
    this.#samples = new SamplePages(this.#queries);
  }

  runs({ tags = [], words = [], limit = RUNS_PAGE_MAX, after }: RunsQuery = {}): Page<RunRecord[]> {
    return this.#snapshot("list the runs", () => {
      const conditions = ["NOT run.deleted"];
      const values: SQLInputValue[] = [];
      for (const tag of tags) {
        conditions.push("EXISTS (SELECT 1 FROM run_tag WHERE run = run.id AND tag = ?)");
        values.push(tag);
      }
      for (const word of words) {
        conditions.push(`instr(lower(${TEXTS}), lower(?))`);
        values.push(word);
      }
      if (after !== undefined) {
        const [, startNs, id] = /^(-?\d{1,19})\.(\d{1,10})$/.exec(after) ?? [];
        if (id === undefined) throw new UserError(`there is no page after "${after}"`);
        conditions.push("(run.start_ns, run.id) < (?, ?)");
        values.push(BigInt(startNs!), BigInt(id));
      }
      const found = this.#queries.all(
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
      const row = this.#queries.get(
        selectRuns("WHERE run.name = ? AND NOT run.deleted GROUP BY run.id"),
        runId,
      );
      return row === undefined ? null : runOf(row);
    });
  }

  params(runId: string): ParamRow[] {
    return this.#ofRun(runId, [], (run) =>
      this.#queries.all(
        `SELECT key, name, value, time_ns FROM param_row WHERE key IN
           (SELECT max(key) FROM param_row WHERE key BETWEEN ? AND ? GROUP BY name)
         ORDER BY key`,
        keyOf(run, 0n),
        lastKeyOf(run),
      ).map(paramOf));
  }

  series(runId: string): SeriesInfo[] {
    return this.#ofRun(runId, [], (run) => seriesInfos(this.#queries, run));
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
    const seen = numberAfter(after);
    return this.#ofRun(
      runId,
      { rows: NO_SAMPLES, next: null, end: String(seen) },
      (run) => this.#samples.page(run, { range, seen, limit, names: series }),
    );
  }

  logs(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<LogRow[]> {
    const page = this.#page(runId, "logs", filterOf(range, RANGES.logs), after, limit);
    return { ...page, rows: page.rows.map(logOf) };
  }

  lastLogs(runId: string, limit: number): Page<LogRow[]> {
    const committed = this.#ofRun(runId, 0n, (run) => rowsCommitted(this.#queries, run, "logs"));
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
      this.#queries.all(
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
    return this.#ofRun(
      runId,
      [],
      (run) => seriesWindows(this.#queries, run, { names: series, range, pointsMax }),
    );
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** A page of a run's rows of one kind, in the order of their keys; shorter than `limit` where their texts are large. */
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
      const committed = rowsCommitted(this.#queries, run, kind);
      const select = `SELECT key, ${columns.join(", ")} FROM ${table}
        WHERE ${["key > ?", "key <= ?", ...conditions].join(" AND ")} ORDER BY key LIMIT ?`;
      const pieceRows = PIECE_ROWS[kind] ?? LARGE_PIECE_ROWS;
      const rows: ArrayRow[] = [];
      let lastKey = keyOf(run, seen);
      let chars = 0;
      let more = true;
      while (more && rows.length < limit && chars < PAGE_CHARS_MAX) {
        const wanted = Math.min(pieceRows, limit - rows.length);
        const found = this.#queries.all(
          select,
          lastKey,
          lastKeyOf(run),
          ...values,
          BigInt(wanted + 1),
        );
        more = found.length > wanted;
        if (more) found.pop();
        for (const row of found) {
          rows.push(row);
          chars += charsOf(row);
        }
        if (found.length > 0) lastKey = found.at(-1)![0] as bigint;
      }
      return pageOf(rows, { lastNumber: numberOf(lastKey), more, committed });
    });
  }

  #ofRun<Result>(runId: string, otherwise: Result, read: (run: number) => Result): Result {
    return this.#snapshot(`read run ${runId}`, () => {
      const run = this.#queries.get("SELECT id FROM run WHERE name = ? AND NOT deleted", runId);
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
}

function charsOf(row: ArrayRow): number {
  let chars = 0;
  for (const value of row) if (typeof value === "string") chars += value.length;
  return chars;
}
