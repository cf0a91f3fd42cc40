import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { History, HistoryBusy } from "../../core/durable/history.ts";
import { UserError } from "../../core/errors.ts";
import { databasePath, openStore } from "../../core/storage/open.ts";
import { StoreUnavailable } from "../../core/storage/store.ts";
import { MIGRATIONS } from "../../core/storage/migrations.ts";
import { TestBox } from "../harness/box.ts";
import { StoredRun } from "../harness/stored_runs.ts";

function workerOf(source: string): Worker {
  return new Worker(`data:text/javascript,${encodeURIComponent(source)}`, { type: "module" });
}

/** Answers each call with its name, but for `steps`, over which it hangs. */
const HANGS = `
  onmessage = ({ data }) => {
    if (data.name === "steps") while (true);
    if (data.name !== undefined) postMessage({ value: data.name });
  };`;

Deno.test("history: where nothing is stored yet there is nothing, then what was stored", async () => {
  await using box = await TestBox.create();
  const history = new History({ dataDir: box.dataDir });
  try {
    assert.deepEqual((await history.call("runs")).rows, []);
    assert.equal(await history.call("run", "tale"), null);
    assert.deepEqual((await history.call("steps", "tale", {}, null, 10)).rows.step.length, 0);
    using store = openStore(databasePath(box.dataDir));
    new StoredRun(store, "tale").addSteps([{ ms: 0, step: 7 }]);
    assert.equal((await history.call("run", "tale"))!.counts.steps, 1);
    assert.deepEqual([...(await history.call("steps", "tale", {}, null, 10)).rows.step], [7n]);
  } finally {
    history.stop();
  }
});

Deno.test("history: failures come through as what they are", async () => {
  await using box = await TestBox.create();
  await Deno.writeTextFile(databasePath(box.dataDir), "this is no database".repeat(100));
  const history = new History({ dataDir: box.dataDir });
  try {
    await assert.rejects(history.call("runs"), StoreUnavailable);
    await Deno.remove(databasePath(box.dataDir));
    using store = openStore(databasePath(box.dataDir));
    new StoredRun(store, "tale");
    await assert.rejects(history.call("steps", "tale", {}, "x", 10), UserError);
    assert.equal((await history.call("runs")).rows.length, 1, "the worker goes on");
  } finally {
    history.stop();
  }
});

Deno.test("history: a worker that hangs is given up, and the others' calls are answered", async () => {
  let spawned = 0;
  const spawn = () => (spawned++, workerOf(HANGS));
  const history = new History({ dataDir: "", spawn, callMsMax: 200 });
  try {
    const hangs = history.call("steps", "tale", {}, null, 10);
    const behind = history.call("run", "tale");
    await assert.rejects(
      hangs,
      (error) => error instanceof HistoryBusy && /0\.2 s/.test(error.message),
    );
    assert.equal(await behind, "run");
    assert.equal(spawned, 2);
  } finally {
    history.stop();
  }
});

Deno.test("history: a worker that fails is replaced", async () => {
  const sources = ['throw new Error("no such module")', HANGS];
  const history = new History({ dataDir: "", spawn: () => workerOf(sources.shift()!) });
  try {
    await assert.rejects(history.call("run", "tale"), /no such module/);
    assert.equal(await history.call("run", "tale"), "run");
  } finally {
    history.stop();
  }
});

Deno.test("history: so many calls wait and no more, and a stop leaves none", async () => {
  const history = new History({ dataDir: "", spawn: () => workerOf(HANGS), callsWaitingMax: 2 });
  const calls = [1, 2, 3].map(() => history.call("steps", "tale", {}, null, 10));
  const ended = Promise.allSettled(calls);
  await assert.rejects(history.call("run", "tale"), HistoryBusy);
  assert.equal(history.refused, 1);
  history.stop();
  assert((await ended).every(({ status }) => status === "rejected"));
  await assert.rejects(history.call("run", "tale"), HistoryBusy);
});

Deno.test("history: a database of an older telebridge waits for its writer", async () => {
  await using box = await TestBox.create();
  openStore(databasePath(box.dataDir))[Symbol.dispose]();
  using db = new DatabaseSync(databasePath(box.dataDir));
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length - 1}`);
  const history = new History({ dataDir: box.dataDir });
  try {
    await assert.rejects(history.call("runs"), /StoreUnavailable: .* serve brings it up to date/);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    assert.deepEqual((await history.call("runs")).rows, []);
  } finally {
    history.stop();
  }
});
