/** The SQLite store: `telebridge.db` of a data directory, as docs/schema.md describes it. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { reasonToRefuse } from "./batch_check.ts";
import { ColumnInsert, type RowSlice } from "./column_insert.ts";
import { Compactor } from "./compactor.ts";
import { connectWriter } from "./connection.ts";
import { MIGRATIONS } from "./migrations.ts";
import type { RowBatch, RowKind, RunRecord, RunState } from "./records.ts";
import type { RowInsert } from "./row_insert.ts";
import { binderOf, newestTimeUnixNs, rowInserts } from "./row_tables.ts";
import { RunCache, type WriterRun } from "./run_cache.ts";
import { RunTable } from "./run_table.ts";
import { storeError } from "./sqlite_errors.ts";
import {
  type BatchResult,
  RunDeleted,
  type RunRegistration,
  type StoreStats,
  StoreUnavailable,
  type StoreWriter,
} from "./store.ts";
import { WalKeeper, type WalLimits } from "./wal_keeper.ts";

/** Of a run. Each stays in memory; a name that has a number in it makes a new one at every step. */
const SERIES_MAX = 100_000;

export interface SqliteStoreOptions {
  /** Samples of a run that are made chunks at once; default: what measured best. */
  blockRows?: number;
  /** The native library, by which steps and samples are inserted packed; without it, row by row. */
  libraryPath?: string;
  wal?: Partial<WalLimits>;
}

/** Everything that goes with one connection, and is made anew with it. */
class Connection implements Disposable {
  readonly db: DatabaseSync;
  readonly begin: StatementSync;
  readonly commit: StatementSync;
  readonly runs: RunTable;
  readonly inserts: Record<RowKind, RowInsert>;
  readonly columnInsert: ColumnInsert | null;
  readonly compactor: Compactor;
  cache: RunCache;

  constructor(path: string, { blockRows, libraryPath }: SqliteStoreOptions) {
    this.db = connectWriter(path);
    // Prepared once: parsing them costs as much as ten rows, at each commit.
    this.begin = this.db.prepare("BEGIN IMMEDIATE");
    this.commit = this.db.prepare("COMMIT");
    this.runs = new RunTable(this.db);
    this.inserts = rowInserts(this.db);
    this.columnInsert = libraryPath === undefined ? null : new ColumnInsert(this.db, libraryPath);
    this.compactor = new Compactor(this.db, blockRows);
    this.cache = new RunCache(this.db);
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}

function insertRows(
  { cache, inserts, columnInsert }: Connection,
  batch: RowBatch,
  run: WriterRun,
  at: RowSlice,
): void {
  if (columnInsert !== null && batch.kind === "steps" && batch.rows.extraJson === null) {
    columnInsert.insertSteps(batch.rows, at);
  } else if (columnInsert !== null && batch.kind === "samples") {
    columnInsert.insertSamples(batch.rows, cache.seriesIds(run, batch.rows.names), at);
  } else {
    const bind = binderOf(batch, ({ names }) => cache.seriesIds(run, names));
    inserts[batch.kind].insert(at.run, at.n, at.from, at.to, bind);
  }
}

export class SqliteStore implements StoreWriter {
  readonly #path: string;
  readonly #options: SqliteStoreOptions;
  readonly #wal: WalKeeper;
  /** Null after a failure: the next call opens another one. */
  #connection: Connection | null;

  /** Throws `StoreUnavailable`, and `UserError` for a database that is not ours or too new. */
  constructor(path: string, options: SqliteStoreOptions = {}) {
    this.#path = path;
    this.#options = options;
    this.#connection = new Connection(path, options);
    this.#wal = new WalKeeper(path, options.wal);
  }

  registerRun(registration: RunRegistration): {
    created: boolean;
    committed: Record<RowKind, bigint>;
  } {
    const { stream } = registration;
    return this.#transaction(`register run ${stream.runId}`, ({ runs, cache, compactor }) => {
      if (cache.isDeleted(stream)) throw new RunDeleted(stream.runId);
      const created = runs.register(registration);
      const run = cache.run(stream.runId)!;
      compactor.ended(run.id, false);
      return { created, committed: { ...cache.stream(run, stream).committed } };
    });
  }

  finishRun(
    runId: string,
    end: { timeUnixNs: bigint; state: RunState; reason: string },
  ): boolean {
    return this.#transaction(`finish run ${runId}`, ({ runs, cache, compactor }) => {
      if (!runs.finish(runId, end)) return false;
      compactor.ended(cache.run(runId)!.id, true);
      return true;
    });
  }

  updateRun(
    runId: string,
    change: { addTags?: string[]; removeTags?: string[]; note?: string },
  ): RunRecord | null {
    return this.#transaction(`change run ${runId}`, ({ runs }) => runs.update(runId, change));
  }

  deleteRun(runId: string): Record<RowKind, number> | null {
    return this.#transaction(`delete run ${runId}`, (connection) => {
      const run = connection.cache.run(runId);
      if (run === null) return null;
      connection.compactor.deleted(run.id);
      const deleted = connection.runs.delete(runId);
      connection.cache = new RunCache(connection.db);
      return deleted;
    });
  }

  commit(batches: readonly RowBatch[]): BatchResult[] {
    const doing = `commit ${batches.length} messages`;
    const { results, runs } = this.#transaction(doing, (connection) => {
      const results = batches.map((batch) => this.#store(connection, batch));
      return { results, runs: connection.cache.writeStreams() };
    });
    const connection = this.#connection!;
    for (const { id, rows } of runs) connection.compactor.committed(id, Number(rows.samples));
    if (connection.cache.isLarge) connection.cache = new RunCache(connection.db);
    this.#checkpointIfLarge();
    return results;
  }

  probe(): void {
    // Writes a page, though nothing changes.
    this.#transaction("write", ({ db }) => db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`));
  }

  async sync(): Promise<void> {
    if (this.#wal.doubtful) this.#guarded("write anew", ({ db }) => this.#wal.empty(db));
    await this.#wal.sync();
  }

  idle(): boolean {
    return this.#guarded("tidy the database", ({ db, runs, compactor }) => {
      this.#wal.beforeCommit(db);
      if (runs.removeDeletedRows() || compactor.work()) {
        this.#wal.afterCommit(db);
        return true;
      }
      this.#wal.idle(db);
      return false;
    });
  }

  stats(): StoreStats {
    return {
      ...this.#wal.stats(),
      samplesUncompacted: this.#connection?.compactor.samplesUncompacted ?? 0,
    };
  }

  [Symbol.dispose](): void {
    this.#wal[Symbol.dispose]();
    this.#connection?.[Symbol.dispose]();
    this.#connection = null;
  }

  /** The rows before it are committed, whatever becomes of it. It is tried again, and in idle moments told of. */
  #checkpointIfLarge(): void {
    try {
      this.#guarded("checkpoint", ({ db }) => this.#wal.afterCommit(db));
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  #store(connection: Connection, batch: RowBatch): BatchResult {
    const { cache } = connection;
    const reason = reasonToRefuse(batch);
    if (reason !== null) return { outcome: "refused", reason };
    const { runId } = batch.stream;
    if (cache.isDeleted(batch.stream)) {
      return { outcome: "refused", reason: `run ${runId} was deleted` };
    }
    const run = cache.run(runId);
    if (run === null) return { outcome: "refused", reason: `there is no run ${runId}` };
    const stream = cache.stream(run, batch.stream);
    const { kind, firstSequence, count } = batch;
    if (kind === "samples" && run.series.size + batch.rows.names.length > SERIES_MAX) {
      const names = new Set([...run.series.keys(), ...batch.rows.names]);
      if (names.size > SERIES_MAX) {
        return { outcome: "refused", reason: `a run may have ${SERIES_MAX} series` };
      }
    }
    const committed = stream.committed[kind];
    if (firstSequence > committed + 1n) return { outcome: "gap", committed };
    const known = Number(committed + 1n - firstSequence);
    if (known >= count) return { outcome: "committed", committed, rowsNew: 0 };
    const rowsNew = count - known;
    insertRows(connection, batch, run, {
      run: run.id,
      n: run.rows[kind] + 1n,
      from: known,
      to: count,
    });
    run.rows[kind] += BigInt(rowsNew);
    stream.committed[kind] += BigInt(rowsNew);
    const newest = newestTimeUnixNs(batch);
    if (newest > stream.lastTimeUnixNs) stream.lastTimeUnixNs = newest;
    cache.changed(stream);
    return { outcome: "committed", committed: stream.committed[kind], rowsNew };
  }

  /** All of `work` is stored or nothing of it. */
  #transaction<Result>(doing: string, work: (connection: Connection) => Result): Result {
    return this.#guarded(doing, (connection) => {
      const { db } = connection;
      this.#wal.beforeCommit(db);
      connection.begin.run();
      try {
        const result = work(connection);
        connection.commit.run();
        return result;
      } catch (error) {
        // What was learned of rows that are rolled back is forgotten with them.
        connection.cache = new RunCache(db);
        if (db.isTransaction) db.exec("ROLLBACK"); // SQLite rolls back by itself when a disk fails
        throw error;
      }
    });
  }

  /** After a failure of the disk the connection is made anew, so that nothing depends on what it left in memory. */
  #guarded<Result>(doing: string, work: (connection: Connection) => Result): Result {
    try {
      this.#connection ??= new Connection(this.#path, this.#options);
      return work(this.#connection);
    } catch (error) {
      const told = storeError(error, `${doing} in ${this.#path}`);
      if (told !== error) this.#close();
      throw told;
    }
  }

  #close(): void {
    const connection = this.#connection;
    this.#connection = null;
    try {
      connection?.[Symbol.dispose]();
    } catch {
      // It failed before; closing it frees what it holds even so.
    }
  }
}
