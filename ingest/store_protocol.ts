/** What the ingest process's main thread and its store worker say to one another. */

import type { RowBatch, RunRecord } from "../core/storage/records.ts";
import type {
  BatchResult,
  RunRegistration,
  StoreStats,
  StoreWriter,
} from "../core/storage/store.ts";

/** The writer's calls that are not batches of rows. */
export type StoreCallName = "registerRun" | "finishRun" | "updateRun" | "deleteRun";
export type StoreCallArgs<Name extends StoreCallName> = Parameters<StoreWriter[Name]>;
export type StoreCallResult<Name extends StoreCallName> = ReturnType<StoreWriter[Name]>;
export type { RunRecord, RunRegistration };

/** Rows of one call that came one after another, in one or many messages. */
export interface GatheredBatch {
  batch: RowBatch;
  /** Number of rows of each message: a message is stored whole or not at all. */
  messageRows: number[];
}

export type ToStoreWorker =
  | { type: "open"; databasePath: string; libraryPath: string }
  | { type: "commit"; id: number; batches: GatheredBatch[] }
  | { type: "call"; id: number; name: StoreCallName; args: unknown[] }
  /** Whether somebody waits for what is committed to be synced, too. */
  | { type: "want-synced"; wanted: boolean }
  | { type: "close" };

/** What became of a gathered batch. Of one that was refused, the messages before may be stored. */
export type GatheredResult =
  | Exclude<BatchResult, { outcome: "refused" }>
  | { outcome: "refused"; reason: string; committed: bigint | null; rowsNew: number };

export type FromStoreWorker =
  /** The database is there, for readers too. Told once. */
  | { type: "opened" }
  /** Batches come back with their buffers. `version` counts the transactions that have changed something. */
  | {
    type: "committed";
    id: number;
    version: number;
    results: GatheredResult[];
    batches: GatheredBatch[];
    seconds: number;
  }
  | { type: "reply"; id: number; version: number; value: unknown }
  | { type: "error"; id: number; unavailable: boolean; deleted: boolean; message: string }
  /** All up to this version is synced. */
  | { type: "synced"; version: number; seconds: number }
  /** null: it works. */
  | { type: "failing"; reason: string | null }
  | { type: "stats"; stats: StoreStats }
  | { type: "closed" };
