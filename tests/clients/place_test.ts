/** Clients find the server by its URL or by its data directory, and say once when it does not want them. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { testEachClient } from "./driver.ts";
import { startServer } from "./server.ts";
import { Stored } from "./stored.ts";

/** Nobody serves this one. */
const NOWHERE = { TELEBRIDGE_DATA_DIR: "/nonexistent" };

testEachClient("one URL with the token in it is enough", async (start) => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const runId = box.runId("url");
  const url = serve.address("/");
  const driver = start(box, { environment: { ...NOWHERE, TELEBRIDGE_URL: url } });
  await driver.init(runId);
  await driver.burst(0, 100);
  assert.equal(await driver.flush(), true);
  assert.equal(await driver.finish(), "");
  using stored = new Stored(box, runId);
  assert.equal(stored.steps().length, 100);
});

testEachClient("the token may stand in the environment", async (start) => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const runId = box.runId("token");
  const driver = start(box, {
    environment: {
      ...NOWHERE,
      TELEBRIDGE_URL: serve.origin,
      TELEBRIDGE_TOKEN: serve.ready.token,
    },
  });
  await driver.init(runId);
  await driver.burst(0, 100);
  assert.equal(await driver.flush(), true);
  await driver.finish();
  using stored = new Stored(box, runId);
  assert.equal(stored.steps().length, 100);
});

testEachClient("a wrong token is one complaint, and no failure of the script's", async (start) => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const driver = start(box, {
    environment: {
      ...NOWHERE,
      TELEBRIDGE_URL: serve.origin,
      TELEBRIDGE_TOKEN: "wrong",
      TELEBRIDGE_EXIT_FLUSH_S: "1",
    },
  });
  await driver.init(box.runId("stranger"));
  await driver.burst(0, 100);
  assert.equal(await driver.flush({ timeoutMs: 2_000 }), false);
  await driver.burst(100, 200);
  const complaints = await driver.finish();
  const aboutToken = complaints.split("\n").filter((line) => /token/i.test(line));
  assert.equal(aboutToken.length, 1, complaints);
  assert(!complaints.includes("wrong\n") && !/Traceback|Error:/.test(complaints), complaints);
});
