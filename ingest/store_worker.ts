/**
 * The worker that owns the store's one writer. It takes batches in order, tries again by itself what cannot be stored at
 * the moment, syncs while somebody wants that, and tidies up when nothing waits.
 */

/// <reference lib="deno.worker" />

import { messageOf } from "../core/errors.ts";
import { SqliteStore } from "../core/storage/sqlite_store.ts";
import { RunDeleted, StoreUnavailable, type StoreWriter } from "../core/storage/store.ts";
import { sliceBatch } from "./row_slices.ts";
import type {
  FromStoreWorker,
  GatheredBatch,
  GatheredResult,
  StoreCallName,
  ToStoreWorker,
} from "./store_protocol.ts";
import { transferablesOf } from "./transferables.ts";

const RETRY_MS_FIRST = 50;
const RETRY_MS_MAX = 1_000;
const STATS_MS = 1_000;

/** What can fail apart from the rest: it works again when it has worked again, whatever else works. */
type Doing = "write" | "sync" | "tidy";

type CommitMessage = Extract<ToStoreWorker, { type: "commit" }>;

class StoreWorker {
  readonly #databasePath: string;
  readonly #libraryPath: string;
  readonly #post: (message: FromStoreWorker, transfer?: ArrayBuffer[]) => void;
  #writer: StoreWriter | null = null;
  /** Batches that wait, oldest first. */
  readonly #waiting: CommitMessage[] = [];
  #committing = false;
  /** Transactions that have changed something. */
  #version = 0;
  #syncedVersion = 0;
  #syncWanted = false;
  #syncing = false;
  /** Why what fails does. */
  readonly #troubles = new Map<Doing, string>();
  /** As it was told last. */
  #failing: string | null = null;
  #closing = false;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #statsTimer: ReturnType<typeof setInterval>;

  constructor(
    { databasePath, libraryPath }: Extract<ToStoreWorker, { type: "open" }>,
    post: (message: FromStoreWorker) => void,
  ) {
    this.#databasePath = databasePath;
    this.#libraryPath = libraryPath;
    this.#post = post;
    this.#statsTimer = setInterval(() => this.#onSecond(), STATS_MS);
    this.#attempt("write", () => this.#open());
  }

  receive(message: Exclude<ToStoreWorker, { type: "open" }>): void {
    switch (message.type) {
      case "commit":
        this.#waiting.push(message);
        if (!this.#committing) this.#commitAll();
        break;
      case "call":
        this.#call(message.id, message.name, message.args);
        break;
      case "want-synced":
        this.#syncWanted = message.wanted;
        this.#sync();
        break;
      case "close":
        this.#closing = true;
        if (!this.#committing) this.#close();
    }
  }

  async #commitAll(): Promise<void> {
    this.#committing = true;
    clearTimeout(this.#idleTimer);
    let retryMs = RETRY_MS_FIRST;
    while (this.#waiting.length > 0) {
      if (this.#commit(this.#waiting[0]!)) {
        this.#waiting.shift();
        retryMs = RETRY_MS_FIRST;
      } else {
        if (this.#closing) break;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
    this.#committing = false;
    if (this.#closing) return this.#close();
    this.#sync();
    this.#scheduleIdle();
  }

  /** Returns false when it must be tried again. */
  #commit({ id, batches }: CommitMessage): boolean {
    const startedAtMs = performance.now();
    const results = this.#attempt("write", () => this.#store(batches));
    if (results === null) return false;
    const version = ++this.#version;
    const seconds = (performance.now() - startedAtMs) / 1000;
    const buffers = transferablesOf(batches.map(({ batch }) => batch));
    this.#post({ type: "committed", id, version, results, batches, seconds }, buffers);
    return true;
  }

  #store(batches: GatheredBatch[]): GatheredResult[] {
    const writer = this.#open();
    try {
      const results = writer.commit(batches.map(({ batch }) => batch));
      return results.map((result, index) =>
        result.outcome === "refused" ? this.#storeApart(writer, batches[index]!) : result
      );
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      // A bug met one of these: the others shall not suffer.
      return batches.map((batch) => this.#storeApart(writer, batch));
    }
  }

  /** The messages of a batch one by one, up to the first that is refused. */
  #storeApart(writer: StoreWriter, { batch, messageRows }: GatheredBatch): GatheredResult {
    let from = 0;
    let committed: bigint | null = null;
    let rowsNew = 0;
    for (const rows of messageRows) {
      const part = sliceBatch(batch, from, from + rows);
      const result = storeOne(writer, part);
      if (result.outcome === "gap") return result;
      if (result.outcome === "refused") return { ...result, committed, rowsNew };
      committed = result.committed;
      rowsNew += result.rowsNew;
      from += rows;
    }
    return { outcome: "committed", committed: committed!, rowsNew };
  }

  #call(id: number, name: StoreCallName, args: unknown[]): void {
    try {
      const writer = this.#open();
      const value = (writer[name] as (...args: unknown[]) => unknown)(...args);
      this.#post({ type: "reply", id, version: ++this.#version, value });
      this.#setTrouble("write", null);
      this.#sync();
      this.#scheduleIdle();
    } catch (error) {
      const unavailable = error instanceof StoreUnavailable;
      const deleted = error instanceof RunDeleted;
      if (unavailable) this.#setTrouble("write", error.message);
      this.#post({ type: "error", id, unavailable, deleted, message: messageOf(error) });
    }
  }

  /** One at a time, as long as somebody wants it. */
  async #sync(): Promise<void> {
    if (this.#syncing) return;
    this.#syncing = true;
    let retryMs = RETRY_MS_FIRST;
    while (this.#syncWanted && this.#version > this.#syncedVersion && !this.#closing) {
      const version = this.#version;
      const startedAtMs = performance.now();
      try {
        await this.#open().sync();
        this.#syncedVersion = version;
        retryMs = RETRY_MS_FIRST;
        this.#setTrouble("sync", null);
        const seconds = (performance.now() - startedAtMs) / 1000;
        this.#post({ type: "synced", version, seconds });
      } catch (error) {
        this.#setTrouble("sync", messageOf(error));
        await new Promise((resolve) => setTimeout(resolve, retryMs));
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
    this.#setTrouble("sync", null);
    this.#syncing = false;
  }

  #scheduleIdle(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      if (this.#committing || this.#closing) return;
      // Tidying may go well where rows cannot be stored, so that it says nothing of that.
      if (this.#troubles.has("write")) this.#attempt("write", () => this.#open().probe());
      else if (this.#attempt("tidy", () => this.#open().idle()) === true) this.#scheduleIdle();
    }, 0);
  }

  #onSecond(): void {
    if (this.#writer !== null) this.#post({ type: "stats", stats: this.#writer.stats() });
    if (!this.#committing) this.#scheduleIdle();
  }

  #open(): StoreWriter {
    if (this.#writer !== null) return this.#writer;
    try {
      this.#writer = new SqliteStore(this.#databasePath, { libraryPath: this.#libraryPath });
      this.#post({ type: "opened" });
      return this.#writer;
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      throw new StoreUnavailable("corrupt", messageOf(error)); // not a database of ours, or too new
    }
  }

  /** Returns null when the store cannot do it now, and tells so. */
  #attempt<Result>(doing: Doing, work: () => Result): Result | null {
    try {
      const result = work();
      this.#setTrouble(doing, null);
      return result;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.#setTrouble(doing, error.message);
      return null;
    }
  }

  #setTrouble(doing: Doing, trouble: string | null): void {
    if (trouble === null) this.#troubles.delete(doing);
    else this.#troubles.set(doing, trouble);
    const [reason = null] = this.#troubles.values();
    if (this.#failing === reason) return;
    this.#failing = reason;
    this.#post({ type: "failing", reason });
  }

  #close(): void {
    clearInterval(this.#statsTimer);
    clearTimeout(this.#idleTimer);
    this.#writer?.[Symbol.dispose]();
    this.#post({ type: "closed" });
  }
}

/** A failure that nobody foresaw is this message's alone. */
function storeOne(writer: StoreWriter, batch: GatheredBatch["batch"]) {
  try {
    return writer.commit([batch])[0]!;
  } catch (error) {
    if (error instanceof StoreUnavailable) throw error;
    return { outcome: "refused", reason: `the store failed: ${messageOf(error)}` } as const;
  }
}

let worker: StoreWorker | null = null;
self.addEventListener("message", ({ data }: MessageEvent<ToStoreWorker>) => {
  if (data.type === "open") {
    worker = new StoreWorker(
      data,
      (message, transfer: ArrayBuffer[] = []) => self.postMessage(message, transfer),
    );
  } else {
    worker!.receive(data);
  }
});
