/**
 * The way into the store, for the rest of the server:
 *
 *     using store = openStore(databasePath(dataDir)); // the one writer, in a worker of the ingest process
 *     using reader = openReader(databasePath(dataDir)); // any number, in any process, whether somebody writes or not
 *
 * Both throw `StoreUnavailable` when the file cannot be opened at the moment, and `UserError` for a database of another
 * program or of a newer telebridge. All calls are synchronous, but for `sync`.
 */

import { messageOf } from "../errors.ts";
import { DatabaseEmpty } from "./connection.ts";
import { SqliteReader } from "./sqlite_reader.ts";
import { SqliteStore } from "./sqlite_store.ts";
import { type StoreReader, StoreUnavailable, type StoreWriter } from "./store.ts";

export { databasePath } from "./paths.ts";

/** Makes the database where there is none. */
export function openStore(path: string): StoreWriter {
  return new SqliteStore(path);
}

/** Null where there is no database yet, or its writer has only begun to make it. */
export function openReader(path: string): StoreReader | null {
  try {
    if (Deno.statSync(path).size === 0) return null;
    return new SqliteReader(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof DatabaseEmpty) return null;
    throw fileError(error, path);
  }
}

/** A file or a directory that we may not look into, or that is none: not the store's failure, but the disk's. */
function fileError(error: unknown, path: string): unknown {
  const isOfFile = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.FilesystemLoop;
  return isOfFile ? new StoreUnavailable("io", `cannot open ${path}: ${messageOf(error)}`) : error;
}
