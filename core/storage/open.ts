/**
 * The way into the store, for the rest of the server:
 *
 *     using store = openStore(databasePath(dataDir)); // the one writer, in a worker of the ingest process
 *     using reader = openReader(databasePath(dataDir)); // any number, in any process, whether somebody writes or not
 *
 * Both throw `StoreUnavailable` when the file cannot be opened at the moment, and `UserError` for a database of another
 * program or of a newer telebridge. All calls are synchronous, but for `sync`.
 */

import { DatabaseEmpty } from "./connection.ts";
import { SqliteReader } from "./sqlite_reader.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { StoreReader, StoreWriter } from "./store.ts";

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
    throw error;
  }
}
