/** Nothing is lost and nothing is stored twice, whoever is away, killed or slow. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { sleep, waitFor } from "../harness/wait.ts";
import { spoolDir, testEachClient } from "./driver.ts";
import { ingestPid, startServer } from "./server.ts";
import { Stored } from "./stored.ts";

const ROWS = 3_000;
const HALF = ROWS / 2;

/** Steps and samples from 0 to `rows`, each of them once. */
function assertWhole(box: TestBox, runId: string, rows = ROWS): void {
  using stored = new Stored(box, runId);
  const expected = Array.from({ length: rows }, (_, step) => step);
  const steps = stored.steps().toSorted((a, b) => a.step - b.step);
  assert.deepEqual(steps.map(({ step }) => step), expected);
  assert(steps.every(({ step, reward }) => reward === step / 2));
  const samples = stored.samples().toSorted((a, b) => a.value - b.value);
  assert.deepEqual(samples.map(({ value }) => value), expected);
  assert(samples.every(({ step, value, series }) => step === value && series === "burst/value"));
}

/** Where rows stand: `rows` of the TypeScript client, `00000000.seg` and so on of Python's. */
const ROWS_FILE = /^rows$|\.seg$/;

/** Whether rows stand in the spool. */
function hasSpooled(box: TestBox): boolean {
  try {
    return [...Deno.readDirSync(spoolDir(box))].some(({ name: folder, isDirectory }) =>
      isDirectory &&
      [...Deno.readDirSync(`${spoolDir(box)}/${folder}`)].some(({ name }) =>
        ROWS_FILE.test(name) && Deno.statSync(`${spoolDir(box)}/${folder}/${name}`).size > 0
      )
    );
  } catch {
    return false; // gone between two looks
  }
}

testEachClient("rows that are given before there is a server wait for it", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("early");
  const driver = start(box);
  await driver.init(runId);
  await driver.burst(0, HALF);
  await waitFor("the spool", () => hasSpooled(box));
  assert.equal(await driver.flush({ timeoutMs: 200 }), false);
  await driver.burst(HALF, ROWS);
  await startServer(box);
  assert.equal(await driver.flush(), true);
  await driver.finish();
  assertWhole(box, runId);
});

testEachClient("a server that is killed and comes back gets the rest", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("serve");
  const serve = await startServer(box);
  const driver = start(box);
  await driver.init(runId);
  await driver.burst(0, 1_000);
  await serve.kill();
  await driver.burst(1_000, 2_000);
  await waitFor("the spool", () => hasSpooled(box));
  await startServer(box);
  await driver.burst(2_000, ROWS);
  assert.equal(await driver.flush(), true);
  await driver.finish();
  assertWhole(box, runId);
});

testEachClient("the ingest process may be killed at any time", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("ingest");
  const serve = await startServer(box);
  const driver = start(box);
  await driver.init(runId);
  for (let third = 0; third < 3; third++) {
    await driver.burst(third * 1_000, third * 1_000 + 500);
    Deno.kill(await ingestPid(serve), "SIGKILL");
    await driver.burst(third * 1_000 + 500, third * 1_000 + 1_000);
    assert.equal(await driver.flush(), true);
  }
  await driver.finish();
  assertWhole(box, runId);
});

testEachClient("a server that stands still delays nobody", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("slow");
  const serve = await startServer(box);
  const driver = start(box);
  await driver.init(runId);
  await driver.burst(0, HALF);
  assert.equal(await driver.flush(), true);
  const ingest = await ingestPid(serve);
  Deno.kill(ingest, "SIGSTOP");
  try {
    await driver.burst(HALF, ROWS);
    assert.equal(await driver.flush({ timeoutMs: 200 }), false);
  } finally {
    Deno.kill(ingest, "SIGCONT");
  }
  assert.equal(await driver.flush(), true);
  await driver.finish();
  assertWhole(box, runId);
});

testEachClient("what a killed client left on disk is sent by the next one", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("orphan");
  const killed = start(box);
  await killed.init(runId);
  await killed.burst(0, ROWS);
  await waitFor("the spool", () => hasSpooled(box));
  await sleep(500); // the last of it
  await killed.kill();
  await startServer(box);
  const next = start(box);
  await next.init(box.runId("next"));
  await next.tell("log", { values: { a: 1 } });
  assert.equal(await next.flush(), true);
  await waitFor("the rows of the killed one", () => {
    using stored = new Stored(box, runId);
    return stored.run?.counts.steps === ROWS && stored.run.counts.samples === ROWS;
  });
  await next.finish();
  assertWhole(box, runId);
  await waitFor("an empty spool", () => !hasSpooled(box));
});

testEachClient("a script that ends without a server leaves its run to the next", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("left");
  const first = start(box, { environment: { TELEBRIDGE_EXIT_FLUSH_S: "1" } });
  await first.init(runId);
  await first.burst(0, ROWS);
  await waitFor("the spool", () => hasSpooled(box));
  await first.finish();
  await startServer(box);
  const next = start(box);
  await next.init(box.runId("next"));
  await next.tell("log", { values: { a: 1 } });
  await waitFor("the whole run", () => {
    using stored = new Stored(box, runId);
    return stored.run?.state === "finished";
  });
  await next.finish();
  assertWhole(box, runId);
});

testEachClient("a server that has lost its data gets what comes from then on", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("anew");
  const serve = await startServer(box);
  const driver = start(box);
  await driver.init(runId);
  await driver.burst(0, HALF);
  assert.equal(await driver.flush(), true);
  await serve.stop();
  for (const suffix of ["", "-wal", "-shm"]) {
    await Deno.remove(`${box.dataDir}/telebridge.db${suffix}`).catch(() => {});
  }
  await startServer(box);
  await driver.burst(HALF, ROWS);
  assert.equal(await driver.flush(), true);
  await driver.finish();
  using stored = new Stored(box, runId);
  const steps = stored.steps().map(({ step }) => step);
  assert.deepEqual(steps, Array.from({ length: HALF }, (_, row) => HALF + row));
});

testEachClient("a script that forgets to finish its run loses nothing", async (start) => {
  await using box = await TestBox.create();
  const runId = box.runId("forgot");
  await startServer(box);
  const driver = start(box);
  await driver.init(runId);
  await driver.burst(0, ROWS);
  await driver.leave();
  const next = start(box);
  await next.init(box.runId("next"));
  await next.tell("log", { values: { a: 1 } });
  await waitFor("all rows", () => {
    using stored = new Stored(box, runId);
    return stored.run?.counts.steps === ROWS && stored.run.counts.samples === ROWS;
  });
  await next.finish();
  assertWhole(box, runId);
});
