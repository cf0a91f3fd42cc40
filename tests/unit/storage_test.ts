import { locateAssets } from "../../core/assets.ts";
import { MemoryStore } from "../../core/storage/memory_store.ts";
import { databasePath } from "../../core/storage/open.ts";
import { SqliteReader } from "../../core/storage/sqlite_reader.ts";
import { SqliteStore, type SqliteStoreOptions } from "../../core/storage/sqlite_store.ts";
import { type OpenedStore, storageSuite } from "./storage_suite.ts";

function openSqlite(makeStore: (path: string) => SqliteStore): OpenedStore {
  const folder = Deno.makeTempDirSync({ prefix: "tb-store-" });
  const path = databasePath(folder);
  const writer = makeStore(path);
  const reader = new SqliteReader(path);
  return {
    writer,
    reader,
    [Symbol.dispose]() {
      reader[Symbol.dispose]();
      writer[Symbol.dispose]();
      Deno.removeSync(folder, { recursive: true });
    },
  };
}

/** Compacts whatever there is after every commit, in tiny blocks. */
class EagerStore extends SqliteStore {
  constructor(path: string, options: SqliteStoreOptions = { blockRows: 5 }) {
    super(path, options);
  }

  override commit(...batches: Parameters<SqliteStore["commit"]>) {
    const results = super.commit(...batches);
    while (this.idle()) { /* until nothing is left to do */ }
    return results;
  }
}

storageSuite("memory store", () => {
  const store = new MemoryStore();
  return { writer: store, reader: store, [Symbol.dispose]() {} };
});
storageSuite("SQLite store", () => openSqlite((path) => new SqliteStore(path)));
const { libraryPath } = locateAssets();
storageSuite(
  "SQLite store, packed",
  () => openSqlite((path) => new SqliteStore(path, { libraryPath })),
);
storageSuite("SQLite store, all in chunks", () => openSqlite((path) => new EagerStore(path)));
