/** The store as the main thread sees it: queues rows for the worker, and tells what became of them. */

import { workerUrl } from "../core/assets.ts";
import type { RowKind } from "../core/storage/records.ts";
import type { StoreStats } from "../core/storage/store.ts";
import { Batcher, ROWS_PER_COMMIT_MAX } from "./batcher.ts";
import { BufferPool } from "./buffer_pool.ts";
import type { QueuedRows } from "./queued_rows.ts";
import type {
  FromStoreWorker,
  StoreCallArgs,
  StoreCallName,
  StoreCallResult,
  ToStoreWorker,
} from "./store_protocol.ts";
import { transferablesOf } from "./transferables.ts";

/** The store cannot do it now: disk full, I/O error. */
export class StoreFailing extends Error {
  override name = "StoreFailing";
}

/** The run was deleted under its client. */
export class RunGone extends Error {
  override name = "RunGone";
}

export interface StoreListener {
  /** All results of one commit have been told. */
  onCommit?(commit: { rows: Partial<Record<RowKind, number>>; seconds: number }): void;
  onSynced?(version: number, seconds: number): void;
  /** Once a second. */
  onStats?(stats: StoreStats): void;
  /** null: it works again. */
  onFailing?(reason: string | null): void;
  /** Rows were queued, or stored. */
  onQueue?(): void;
}

export interface StoreClientOptions {
  databasePath: string;
  /** The native library. */
  libraryPath: string;
  batchRecords: number;
  batchMs: number;
}

interface PendingCall {
  resolve: (reply: { value: never; version: number }) => void;
  reject: (error: Error) => void;
}

export class StoreClient {
  readonly buffers = new BufferPool();
  readonly #worker = new Worker(workerUrl("ingest/store_worker"), { type: "module" });
  readonly #batcher: Batcher;
  readonly #listeners: StoreListener[] = [];
  /** Not yet with the worker, oldest first. */
  #queue: QueuedRows[] = [];
  #queuedBytes = 0;
  /** With the worker, by commit. */
  readonly #inFlight = new Map<number, { rows: QueuedRows[]; bytes: number }>();
  readonly #calls = new Map<number, PendingCall>();
  #ids = 0;
  #syncedWanters = 0;
  #failing: string | null = null;
  #stats: StoreStats | null = null;
  #syncedVersion = 0;
  #toSync: { version: number; resolve: () => void }[] = [];
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();
  #drained: (() => void) | null = null;

  constructor({ databasePath, libraryPath, batchRecords, batchMs }: StoreClientOptions) {
    this.#batcher = new Batcher({
      records: batchRecords,
      waitMs: batchMs,
      flush: () => this.#flush(),
    });
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromStoreWorker>) => {
      this.#onMessage(data);
    });
    this.#post({ type: "open", databasePath, libraryPath });
  }

  /** Of the rows that are queued or with the worker. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get rowsWaiting(): number {
    return this.#batcher.rowsWaiting;
  }

  /** Why nothing is stored at the moment; null: it is. */
  get failing(): string | null {
    return this.#failing;
  }

  /** As of the last second. */
  get stats(): StoreStats | null {
    return this.#stats;
  }

  /** Resolves when there is a database that can be read. */
  get opened(): Promise<void> {
    return this.#opened.promise;
  }

  listen(listener: StoreListener): void {
    this.#listeners.push(listener);
  }

  /** Queues rows, to which more may be added as long as they `takes()` them; {@link added} tells of each message. */
  enqueue(rows: QueuedRows): void {
    this.#queue.push(rows);
  }

  /** A message's rows were added to some that are queued. */
  added(rows: number, bytes: number): void {
    this.#queuedBytes += bytes;
    this.#batcher.add(rows);
    for (const listener of this.#listeners) listener.onQueue?.();
  }

  /** Throws {@link StoreFailing}, {@link RunGone}. */
  call<Name extends StoreCallName>(
    name: Name,
    ...args: StoreCallArgs<Name>
  ): Promise<{ value: StoreCallResult<Name>; version: number }> {
    const id = ++this.#ids;
    const { promise, resolve, reject } = Promise.withResolvers<
      { value: StoreCallResult<Name>; version: number }
    >();
    this.#calls.set(id, { resolve, reject });
    this.#post({ type: "call", id, name, args });
    return promise;
  }

  /** From now until what is returned is disposed, what is committed is synced as well, as soon as can be. */
  wantSynced(): Disposable {
    if (this.#syncedWanters++ === 0) this.#post({ type: "want-synced", wanted: true });
    let done = false;
    return {
      [Symbol.dispose]: () => {
        if (done) return;
        done = true;
        if (--this.#syncedWanters === 0) this.#post({ type: "want-synced", wanted: false });
      },
    };
  }

  /** Resolves when this version is synced; for whoever holds a {@link wantSynced}. */
  synced(version: number): Promise<void> {
    if (version <= this.#syncedVersion) return Promise.resolve();
    return new Promise((resolve) => this.#toSync.push({ version, resolve }));
  }

  /** Resolves when nothing waits to be committed. */
  drained(): Promise<void> {
    this.#batcher.hurry();
    if (this.#batcher.idle) return Promise.resolve();
    return new Promise((resolve) => this.#drained = resolve);
  }

  /** What is queued still is lost; nobody was told that it was stored. */
  async close(): Promise<void> {
    this.#batcher.stop();
    this.#post({ type: "close" });
    await this.#closed.promise;
    this.#worker.terminate();
  }

  #post(message: ToStoreWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  /** Oldest first, as many as make one transaction. */
  #flush(): number {
    const rows: QueuedRows[] = [];
    let count = 0;
    let bytes = 0;
    while (rows.length < this.#queue.length && count < ROWS_PER_COMMIT_MAX) {
      const next = this.#queue[rows.length]!;
      rows.push(next);
      count += next.count;
      bytes += next.bytes;
    }
    this.#queue = this.#queue.slice(rows.length);
    const id = ++this.#ids;
    this.#inFlight.set(id, { rows, bytes });
    const batches = rows.map((queued) => queued.seal());
    const transfer = transferablesOf(batches.map(({ batch }) => batch));
    this.#post({ type: "commit", id, batches }, transfer);
    return count;
  }

  #onMessage(message: FromStoreWorker): void {
    switch (message.type) {
      case "committed":
        return this.#onCommitted(message);
      case "reply":
      case "error":
        return this.#onReply(message);
      case "synced":
        return this.#onSynced(message);
      case "failing":
        this.#failing = message.reason;
        for (const listener of this.#listeners) listener.onFailing?.(message.reason);
        return;
      case "stats":
        this.#stats = message.stats;
        for (const listener of this.#listeners) listener.onStats?.(message.stats);
        return;
      case "opened":
        return this.#opened.resolve();
      case "closed":
        this.#closed.resolve();
    }
  }

  #onCommitted(message: Extract<FromStoreWorker, { type: "committed" }>): void {
    const { id, results, batches, version, seconds } = message;
    const { rows, bytes } = this.#inFlight.get(id)!;
    this.#inFlight.delete(id);
    this.#queuedBytes -= bytes;
    this.#batcher.committed(); // first, so that the store has something to do meanwhile
    const rowsNew: Partial<Record<RowKind, number>> = {};
    rows.forEach((queued, index) => {
      const result = results[index]!;
      const { batch } = batches[index]!;
      if (result.outcome !== "gap") {
        rowsNew[batch.kind] = (rowsNew[batch.kind] ?? 0) + result.rowsNew;
      }
      queued.settle({ result, batch, version });
    });
    for (const listener of this.#listeners) {
      listener.onCommit?.({ rows: rowsNew, seconds });
      listener.onQueue?.();
    }
    for (const buffer of transferablesOf(batches.map(({ batch }) => batch))) {
      this.buffers.give(buffer);
    }
    if (this.#batcher.idle) this.#drained?.();
  }

  #onSynced({ version, seconds }: Extract<FromStoreWorker, { type: "synced" }>): void {
    this.#syncedVersion = version;
    const waiting = this.#toSync;
    this.#toSync = waiting.filter((one) => one.version > version);
    for (const one of waiting) if (one.version <= version) one.resolve();
    for (const listener of this.#listeners) listener.onSynced?.(version, seconds);
  }

  #onReply(message: Extract<FromStoreWorker, { type: "reply" | "error" }>): void {
    const call = this.#calls.get(message.id)!;
    this.#calls.delete(message.id);
    if (message.type === "reply") {
      return call.resolve({ value: message.value as never, version: message.version });
    }
    const { unavailable, deleted, message: text } = message;
    call.reject(
      unavailable ? new StoreFailing(text) : deleted ? new RunGone(text) : new Error(text),
    );
  }
}
