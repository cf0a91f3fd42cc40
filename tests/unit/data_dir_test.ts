import assert from "node:assert/strict";
import {
  checkNobodyElseWrites,
  dataDirId,
  DataDirLock,
  defaultDataDir,
  findServer,
  makeDataDir,
  writePrivateFile,
} from "../../core/data_dir.ts";
import { UserError } from "../../core/errors.ts";
import { TestBox } from "../harness/box.ts";

const INFO = {
  ...{ pid: 4711, url: "http://127.0.0.1:1/", localHost: "127.0.0.1", certificatePem: null },
};

Deno.test("data directory: one owner at a time, and the second is told who", async () => {
  await using box = await TestBox.create();
  {
    using lock = await DataDirLock.take(box.dataDir);
    lock.writeInfo(INFO);
    await assert.rejects(DataDirLock.take(box.dataDir), (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, /process 4711 at http:\/\/127\.0\.0\.1:1\//);
      return true;
    });
  }
  assert.equal(await findServer(box.dataDir), null);
  using _again = await DataDirLock.take(box.dataDir);
});

Deno.test("data directory: what says which programs are run is nothing that anybody may change", async () => {
  await using box = await TestBox.create();
  const path = `${box.folder}/telebridge.toml`;
  Deno.writeTextFileSync(path, "");
  Deno.chmodSync(path, 0o664);
  checkNobodyElseWrites(path);
  checkNobodyElseWrites("/etc/passwd");
  Deno.chmodSync(path, 0o666);
  assert.throws(() => checkNobodyElseWrites(path), /^UserError: anybody may change .*; chmod o-w /);
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

Deno.test("data directory: a server is believed only while it holds the lock", async () => {
  await using box = await TestBox.create();
  assert.equal(await findServer(box.dataDir), null);
  {
    using lock = await DataDirLock.take(box.dataDir);
    lock.writeInfo(INFO);
    assert.deepEqual(await findServer(box.dataDir), INFO);
  }
  // As a killed one leaves it.
  writePrivateFile(`${box.dataDir}/serve.json`, JSON.stringify(INFO));
  assert.equal(await findServer(box.dataDir), null);
});

Deno.test("data directory: one that others could change is refused, a link of our own is not", async () => {
  await using box = await TestBox.create();
  const refused = (path: string, message: RegExp) =>
    assert.throws(() => makeDataDir(path), (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, message);
      return true;
    });
  makeDataDir(`${box.folder}/new/er`);
  assert.equal(Deno.statSync(`${box.folder}/new/er`).mode! & 0o777, 0o700);
  Deno.chmodSync(box.dataDir, 0o770);
  refused(box.dataDir, /others may write to .*chmod go-w/);
  Deno.chmodSync(box.dataDir, 0o755);
  makeDataDir(box.dataDir);
  const link = `${box.folder}/link`;
  Deno.symlinkSync(box.dataDir, link);
  makeDataDir(link);
  if (Deno.uid() === 0) {
    new Deno.Command("chown", { args: ["--no-dereference", "nobody", link] }).outputSync();
    refused(link, /link/);
  } else console.log("SKIP: somebody else's link to a data directory, which only root can make");
  Deno.writeTextFileSync(`${box.folder}/file`, "");
  refused(`${box.folder}/file`, /cannot make the data directory/);
});
