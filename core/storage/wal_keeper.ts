/**
 * The write-ahead log: checkpointed off the write path, bounded, and synced for whoever asks.
 *
 * A commit at `synchronous = NORMAL` is in the WAL and survives any crash of ours; only fdatasync of the WAL makes it
 * survive the power. Rows that a checkpoint has meanwhile moved out of the WAL are covered too: it syncs the WAL before
 * it writes to the database, and the database before the WAL may be begun anew (https://www.sqlite.org/wal.html).
 */

import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../errors.ts";
import { type StoreStats, StoreUnavailable } from "./store.ts";
import { findWalReader } from "./wal_reader.ts";

const MIB = 2 ** 20;

export interface WalLimits {
  /** A checkpoint in an idle moment is worth its two fsyncs from so many new bytes on. */
  checkpointBytes: number;
  /** From so many new bytes on a commit makes one itself: idle() is not called while batches wait. */
  checkpointForcedBytes: number;
  /** A WAL of this size that somebody keeps from being begun anew is told of. */
  heldBytes: number;
  /** Nothing is committed while the WAL has so many bytes and cannot be begun anew. */
  bytesMax: number;
}

export const WAL_LIMITS: WalLimits = {
  checkpointBytes: 4 * MIB,
  checkpointForcedBytes: 128 * MIB,
  heldBytes: 256 * MIB,
  bytesMax: 2048 * MIB,
};

/** Two pragmas cost as much as twenty rows. */
const LOOK_EVERY_COMMITS = 64;

interface WalState {
  bytes: number;
  /** Of these, what no checkpoint has moved to the database. */
  newBytes: number;
}

export class WalKeeper implements Disposable {
  readonly #path: string;
  readonly #limits: WalLimits;
  #file: Deno.FsFile | null = null;
  #inode: number | null = null;
  /** The syncs that are under way: their descriptor stays open. */
  #syncing: Promise<unknown> = Promise.resolve();
  #commits = 0;
  #checkpoints = 0;
  #checkpointMsMax = 0;
  /** After the last checkpoint that was not complete; null: it was. */
  #held: WalState | null = null;
  #doubtful = false;

  constructor(databasePath: string, limits: Partial<WalLimits> = {}) {
    this.#path = databasePath;
    this.#limits = { ...WAL_LIMITS, ...limits };
  }

  /** For whatever writes. Throws {@link StoreUnavailable} while a reader keeps the WAL at its limit. */
  beforeCommit(db: DatabaseSync): void {
    if ((this.#held?.bytes ?? 0) < this.#limits.bytesMax) return;
    this.#checkpoint(db, "RESTART");
    const held = this.#held as WalState | null;
    if (held === null || held.bytes < this.#limits.bytesMax) return;
    const pid = findWalReader(this.#path);
    const who = pid === null ? "a reader" : `process ${pid}`;
    throw new StoreUnavailable(
      "locked",
      `${who} has read ${this.#path} for so long that its WAL has ${held.bytes} bytes; nothing is ` +
        "committed until it lets go",
    );
  }

  afterCommit(db: DatabaseSync): void {
    if (++this.#commits % LOOK_EVERY_COMMITS !== 0) return;
    if (this.#state(db).newBytes >= this.#limits.checkpointForcedBytes) {
      this.#checkpoint(db, "PASSIVE");
    }
  }

  idle(db: DatabaseSync): void {
    if (this.#state(db).newBytes >= this.#limits.checkpointBytes) this.#checkpoint(db, "PASSIVE");
    // A file that was large once gives its space back, unless somebody reads it.
    if (this.#fileBytes() >= this.#limits.checkpointForcedBytes) this.#checkpoint(db, "TRUNCATE");
  }

  /**
   * An fdatasync of the WAL has failed, ours or that of a checkpoint. Linux then takes the pages that it could not write
   * for written, and the next one returns 0 (https://wiki.postgresql.org/wiki/Fsync_Errors): what the WAL had must be in
   * the database, synced, before anything is synced again.
   */
  get doubtful(): boolean {
    return this.#doubtful;
  }

  /** Moves all of the WAL to the database, and syncs that. Throws {@link StoreUnavailable} while somebody reads the WAL. */
  empty(db: DatabaseSync): void {
    this.#checkpoint(db, "TRUNCATE");
    if (this.#fileBytes() > 0) {
      throw new StoreUnavailable(
        "io",
        `an fdatasync of ${this.#path}-wal has failed, and somebody reads it: it cannot be begun anew yet`,
      );
    }
    this.#doubtful = false;
  }

  /** Resolves when the WAL has been fdatasynced as it was at the call. */
  async sync(): Promise<void> {
    try {
      const file = this.#open();
      if (file === null) return; // the last connection was closed: all of it is synced in the database
      const synced = file.syncData();
      this.#syncing = Promise.allSettled([this.#syncing, synced]);
      await synced;
    } catch (error) {
      this.#doubtful = true;
      throw new StoreUnavailable("io", `cannot sync ${this.#path}-wal: ${messageOf(error)}`);
    }
  }

  stats(): Omit<StoreStats, "samplesUncompacted"> {
    const checkpointMsMax = this.#checkpointMsMax;
    this.#checkpointMsMax = 0;
    const held = this.#held !== null && this.#held.bytes >= this.#limits.heldBytes;
    return {
      databaseBytes: sizeOf(this.#path),
      walBytes: this.#fileBytes(),
      checkpoints: this.#checkpoints,
      checkpointMsMax,
      walHeldBy: held ? { pid: findWalReader(this.#path), bytes: this.#held!.bytes } : null,
    };
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  #fileBytes(): number {
    return sizeOf(`${this.#path}-wal`);
  }

  /**
   * A descriptor of the WAL alone. Closing one of the database or of the -shm would drop the locks that SQLite has there
   * (POSIX locks belong to the process); it has none on the WAL.
   */
  #open(): Deno.FsFile | null {
    const path = `${this.#path}-wal`;
    try {
      const { ino } = Deno.statSync(path);
      if (this.#file === null || this.#inode !== ino) {
        this.#close();
        this.#file = Deno.openSync(path, { read: true, write: true });
        this.#inode = this.#file.statSync().ino;
      }
      return this.#file;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  #close(): void {
    const file = this.#file;
    this.#file = null;
    if (file !== null) this.#syncing = this.#syncing.then(() => file.close());
  }

  #state(db: DatabaseSync): WalState {
    return walState(db, "NOOP");
  }

  #checkpoint(db: DatabaseSync, mode: "PASSIVE" | "RESTART" | "TRUNCATE"): void {
    const startedMs = performance.now();
    // The latter two would wait for readers: they are tried, no more.
    db.exec("PRAGMA busy_timeout = 0");
    let state: WalState;
    try {
      state = walState(db, mode);
    } catch (error) {
      this.#doubtful = true; // it may have been its fsync of the WAL
      throw error;
    }
    db.exec("PRAGMA busy_timeout = 1000");
    this.#held = state.newBytes > 0 ? state : null;
    this.#checkpoints++;
    this.#checkpointMsMax = Math.max(this.#checkpointMsMax, performance.now() - startedMs);
  }
}

/** As it is after a checkpoint of this mode (NOOP: none). */
function walState(db: DatabaseSync, mode: string): WalState {
  const { log, checkpointed } = db.prepare(`PRAGMA wal_checkpoint(${mode})`).get() as {
    log: number;
    checkpointed: number;
  };
  const { page_size } = db.prepare("PRAGMA page_size").get() as { page_size: number };
  return {
    bytes: Math.max(0, log) * page_size,
    newBytes: Math.max(0, log - checkpointed) * page_size,
  };
}

/** 0 where there is no file. */
function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
