import assert from "node:assert/strict";
import { dataDirId, DataDirLock, defaultDataDir, readServeInfo } from "../../core/data_dir.ts";
import { UserError } from "../../core/errors.ts";
import { TestBox } from "../harness/box.ts";

Deno.test("data directory: one owner at a time, and the second is told who", async () => {
  await using box = await TestBox.create();
  {
    using lock = await DataDirLock.take(box.dataDir);
    lock.writeInfo({ pid: 4711, url: "http://127.0.0.1:1/" });
    await assert.rejects(DataDirLock.take(box.dataDir), (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, /process 4711 at http:\/\/127\.0\.0\.1:1\//);
      return true;
    });
  }
  assert.equal(readServeInfo(box.dataDir), null);
  using _again = await DataDirLock.take(box.dataDir);
});

Deno.test("data directory: its id is made once", async () => {
  await using box = await TestBox.create();
  const id = dataDirId(box.dataDir);
  assert.match(id, /^[0-9a-f]{8}$/);
  assert.equal(dataDirId(box.dataDir), id);
});

Deno.test("data directory: the default is the user's", () => {
  assert.equal(defaultDataDir({ HOME: "/home/u" }), "/home/u/.local/share/telebridge");
  const environment = { HOME: "/home/u", XDG_DATA_HOME: "/data" };
  assert.equal(defaultDataDir(environment), "/data/telebridge");
  assert.throws(() => defaultDataDir({}), /--data-dir/);
});
