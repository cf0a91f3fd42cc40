/**
 * The write-ahead log: checkpointed off the write path, bounded, and synced for whoever asks.
 *
 * A commit at `synchronous = NORMAL` is in the WAL and survives any crash of ours; only fdatasync of the WAL makes it
 * survive the power. What a checkpoint has meanwhile moved out of the WAL is covered too, since SQLite syncs the WAL
 * before it writes to the database, and the database before the WAL is begun anew
 * (https://www.sqlite.org/wal.html#performance_considerations).
 */

import type { DatabaseSync } from "node:sqlite";
import { messageOf } from "../errors.ts";
import { StoreUnavailable } from "./store.ts";

/** A checkpoint is worth its two fsyncs from so many bytes on. */
const CHECKPOINT_BYTES = 4 * 2 ** 20;
/** From here on a commit makes one itself: idle() is not called while batches wait. */
const CHECKPOINT_FORCED_BYTES = 64 * 2 ** 20;
/** Looking at the file's size costs as much as a few rows. */
const LOOK_EVERY_COMMITS = 16;

export class WalKeeper implements Disposable {
  readonly #path: string;
  #file: Deno.FsFile | null = null;
  #inode: number | null = null;
  #commits = 0;
  /** Commits that no checkpoint has seen. */
  #commitsNew = 0;
  #checkpoints = 0;
  #checkpointMsMax = 0;

  constructor(databasePath: string) {
    this.#path = databasePath;
  }

  afterCommit(db: DatabaseSync): void {
    this.#commitsNew++;
    if (++this.#commits % LOOK_EVERY_COMMITS === 0 && this.#bytes() >= CHECKPOINT_FORCED_BYTES) {
      this.#checkpoint(db);
    }
  }

  /** Returns whether there is more to do. */
  idle(db: DatabaseSync): boolean {
    if (this.#commitsNew === 0 || this.#bytes() < CHECKPOINT_BYTES) return false;
    this.#checkpoint(db);
    return false;
  }

  /** Resolves when the WAL has been fdatasynced as it was at the call. */
  async sync(): Promise<void> {
    try {
      await this.#open().syncData();
    } catch (error) {
      throw new StoreUnavailable("io", `cannot sync ${this.#path}-wal: ${messageOf(error)}`);
    }
  }

  stats() {
    const checkpointMsMax = this.#checkpointMsMax;
    this.#checkpointMsMax = 0;
    return {
      databaseBytes: sizeOf(this.#path),
      walBytes: this.#bytes(),
      checkpoints: this.#checkpoints,
      checkpointMsMax,
      walHeldBy: null,
    };
  }

  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = null;
  }

  #bytes(): number {
    return sizeOf(`${this.#path}-wal`);
  }

  /** A descriptor of the WAL alone: SQLite keeps its locks on the database and the -shm, never on this file. */
  #open(): Deno.FsFile {
    const path = `${this.#path}-wal`;
    const { ino } = Deno.statSync(path);
    if (this.#file === null || this.#inode !== ino) {
      this.#file?.close();
      this.#file = Deno.openSync(path, { read: true, write: true });
      this.#inode = ino;
    }
    return this.#file;
  }

  #checkpoint(db: DatabaseSync): void {
    const startedMs = performance.now();
    db.prepare("PRAGMA wal_checkpoint(PASSIVE)").get();
    this.#checkpoints++;
    this.#commitsNew = 0;
    this.#checkpointMsMax = Math.max(this.#checkpointMsMax, performance.now() - startedMs);
  }
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
