/** Packed columns as rows of SQL, by the native library (native/src/columns.c). */

import type { DatabaseSync } from "node:sqlite";

const ENTRY_POINT = "tele_sqlite_init";

/** Makes tele_columns() known to a connection that allows extensions. */
export function loadColumns(db: DatabaseSync, libraryPath: string): void {
  // The entry point is not in the type definitions of node:sqlite that Deno ships.
  const load = db.loadExtension as (this: DatabaseSync, path: string, entry: string) => void;
  load.call(db, libraryPath, ENTRY_POINT);
}
