import { MemoryStore } from "../../core/storage/memory_store.ts";
import { databasePath } from "../../core/storage/open.ts";
import { SqliteReader } from "../../core/storage/sqlite_reader.ts";
import { SqliteStore } from "../../core/storage/sqlite_store.ts";
import { storageSuite } from "./storage_suite.ts";

storageSuite("memory store", () => {
  const store = new MemoryStore();
  return { writer: store, reader: store, [Symbol.dispose]() {} };
});

storageSuite("SQLite store", () => {
  const folder = Deno.makeTempDirSync({ prefix: "tb-store-" });
  const path = databasePath(folder);
  const writer = new SqliteStore(path);
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
});
