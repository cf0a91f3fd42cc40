/** The SQLite store: `telebridge.db` of a data directory, as docs/schema.md describes it. */

import type { DatabaseSync } from "node:sqlite";
import { reasonToRefuse } from "./batch_check.ts";
import { connectWriter } from "./connection.ts";
import type { RowBatch, RowKind, RunRecord, RunState } from "./records.ts";
import type { RowInsert } from "./row_insert.ts";
import { binderOf, newestTimeUnixNs, rowInserts } from "./row_tables.ts";
import { RunCache } from "./run_cache.ts";
import { RunTable } from "./run_table.ts";
import { storeError } from "./sqlite_errors.ts";
import {
  type BatchResult,
  RunDeleted,
  type RunRegistration,
  type StoreStats,
  type StoreWriter,
} from "./store.ts";
import { WalKeeper } from "./wal_keeper.ts";

/** Everything that goes with one connection, and is made anew with it. */
class Connection implements Disposable {
  readonly db: DatabaseSync;
  readonly runs: RunTable;
  readonly inserts: Record<RowKind, RowInsert>;
  cache: RunCache;

  constructor(path: string) {
    this.db = connectWriter(path);
    this.runs = new RunTable(this.db);
    this.inserts = rowInserts(this.db);
    this.cache = new RunCache(this.db);
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}

export class SqliteStore implements StoreWriter {
  readonly #path: string;
  readonly #wal: WalKeeper;
  /** Null after a failure: the next call opens another one. */
  #connection: Connection | null;

  /** Throws `StoreUnavailable`, and `UserError` for a database that is not ours or too new. */
  constructor(path: string) {
    this.#path = path;
    this.#connection = new Connection(path);
    this.#wal = new WalKeeper(path);
  }

  registerRun(registration: RunRegistration): {
    created: boolean;
    committed: Record<RowKind, bigint>;
  } {
    const { stream } = registration;
    return this.#transaction(`register run ${stream.runId}`, ({ runs, cache }) => {
      if (cache.isDeleted(stream)) throw new RunDeleted(stream.runId);
      const created = runs.register(registration);
      const { committed } = cache.stream(cache.run(stream.runId)!, stream);
      return { created, committed: { ...committed } };
    });
  }

  finishRun(
    runId: string,
    end: { timeUnixNs: bigint; state: RunState; reason: string },
  ): boolean {
    return this.#transaction(`finish run ${runId}`, ({ runs }) => runs.finish(runId, end));
  }

  updateRun(
    runId: string,
    change: { addTags?: string[]; removeTags?: string[]; note?: string },
  ): RunRecord | null {
    return this.#transaction(`change run ${runId}`, ({ runs }) => runs.update(runId, change));
  }

  deleteRun(runId: string): Record<RowKind, number> | null {
    return this.#transaction(`delete run ${runId}`, (connection) => {
      const deleted = connection.runs.delete(runId);
      connection.cache = new RunCache(connection.db);
      return deleted;
    });
  }

  commit(batches: readonly RowBatch[]): BatchResult[] {
    const results = this.#transaction(`commit ${batches.length} messages`, (connection) => {
      const results = batches.map((batch) => this.#store(connection, batch));
      connection.cache.writeStreams();
      return results;
    });
    this.#wal.afterCommit(this.#connection!.db);
    return results;
  }

  async sync(): Promise<void> {
    await this.#wal.sync();
  }

  idle(): boolean {
    return this.#guarded("tidy the database", ({ db, runs }) => {
      if (runs.removeDeletedRows()) return true;
      return this.#wal.idle(db);
    });
  }

  stats(): StoreStats {
    return { ...this.#wal.stats(), samplesUncompacted: 0 };
  }

  [Symbol.dispose](): void {
    this.#wal[Symbol.dispose]();
    this.#connection?.[Symbol.dispose]();
    this.#connection = null;
  }

  #store({ cache, inserts }: Connection, batch: RowBatch): BatchResult {
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
    const committed = stream.committed[kind];
    if (firstSequence > committed + 1n) return { outcome: "gap", committed };
    const known = Number(committed + 1n - firstSequence);
    if (known >= count) return { outcome: "committed", committed, rowsNew: 0 };
    const rowsNew = count - known;
    const bind = binderOf(batch, ({ names }) => cache.seriesIds(run, names));
    inserts[kind].insert(run.id, run.rows[kind] + 1n, known, count, bind);
    run.rows[kind] += BigInt(rowsNew);
    stream.committed[kind] += BigInt(rowsNew);
    const newest = newestTimeUnixNs(batch);
    if (newest > stream.lastTimeUnixNs) stream.lastTimeUnixNs = newest;
    stream.changed = true;
    return { outcome: "committed", committed: stream.committed[kind], rowsNew };
  }

  /** All of `work` is stored or nothing of it. */
  #transaction<Result>(doing: string, work: (connection: Connection) => Result): Result {
    return this.#guarded(doing, (connection) => {
      const { db } = connection;
      db.exec("BEGIN IMMEDIATE");
      try {
        const result = work(connection);
        db.exec("COMMIT");
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
      this.#connection ??= new Connection(this.#path);
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
