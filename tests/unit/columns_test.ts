/** Packed columns as rows of SQL, by SQLite's own reading. */

import assert from "node:assert/strict";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { locateAssets } from "../../core/assets.ts";
import { loadColumns } from "../../core/storage/columns.ts";

function open(): DatabaseSync {
  const db = new DatabaseSync(":memory:", { allowExtension: true });
  loadColumns(db, locateAssets().libraryPath);
  return db;
}

function bytesOf(column: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

function rows(db: DatabaseSync, sql: string, ...values: SQLInputValue[]) {
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  return statement.all(...values).map((row) => Object.values(row));
}

Deno.test("tele_columns: a column of each type comes back as it was packed", () => {
  using db = open();
  const found = rows(
    db,
    "SELECT rowid, c0, c1, c2, c3, c4 FROM tele_columns('qsdub', ?, ?, ?, ?, ?)",
    bytesOf(new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n, 7n])),
    bytesOf(new BigUint64Array([0n, 2n ** 64n - 1n, 2n ** 53n + 1n])),
    bytesOf(new Float64Array([NaN, -Infinity, 0.1])),
    bytesOf(new Uint32Array([0, 2 ** 32 - 1, 5])),
    bytesOf(new Uint8Array([0, 255, 3])),
  );
  assert.deepEqual(found, [
    [0n, -(2n ** 63n), 0n, null, 0n, 0n],
    [1n, 2n ** 63n - 1n, null, -Infinity, 2n ** 32n - 1n, 255n],
    [2n, 7n, 2n ** 53n + 1n, 0.1, 5n, 3n],
  ]);
});

Deno.test("tele_columns: no rows, and columns that were not given", () => {
  using db = open();
  assert.deepEqual(rows(db, "SELECT * FROM tele_columns('q', ?)", new Uint8Array(0)), []);
  const found = rows(db, "SELECT c0, c1 FROM tele_columns('b', ?)", new Uint8Array([9]));
  assert.deepEqual(found, [[9n, null]]);
});

Deno.test("tele_columns: arrays that contradict one another are refused", () => {
  using db = open();
  const refused = (sql: string, ...values: SQLInputValue[]) =>
    assert.throws(() => db.prepare(sql).all(...values), /tele_columns\(\)/, sql);
  const eight = new Uint8Array(8);
  refused("SELECT * FROM tele_columns('qq', ?, ?)", eight, new Uint8Array(16));
  refused("SELECT * FROM tele_columns('qq', ?, ?)", eight, new Uint8Array(9));
  refused("SELECT * FROM tele_columns('q', ?)", new Uint8Array(7));
  refused("SELECT * FROM tele_columns('x', ?)", eight);
  refused("SELECT * FROM tele_columns('q', ?)", "eight by");
  refused("SELECT * FROM tele_columns('q', ?)", null);
  refused("SELECT * FROM tele_columns('qq', ?)", eight);
  refused("SELECT * FROM tele_columns('q', ?, ?)", eight, eight);
  refused("SELECT * FROM tele_columns('q')");
  refused("SELECT * FROM tele_columns");
});
