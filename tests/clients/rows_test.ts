/** Rows of all kinds arrive as they were given, whichever client gave them. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { checkpointPath } from "../../core/storage/paths.ts";
import { TestBox } from "../harness/box.ts";
import { testEachClient } from "./driver.ts";
import { startServer } from "./server.ts";
import { Stored } from "./stored.ts";

testEachClient("rows of every kind are stored once, as they were given", async (start) => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("kinds");
  const driver = start(box);
  await driver.init(runId, { tags: ["ppo", "täg"], params: { lr: 0.5, env: "Cart–Pole" } });
  await driver.tell("log", { values: { "train/loss": 0.25, "größe": -1 }, step: 7 });
  await driver.tell("step", {
    step: 3,
    episode: 1,
    reward: 1.5,
    terminated: true,
    truncated: false,
    extra: { höhe: "zwölf 🚀" },
  });
  await driver.tell("step", {
    step: 4,
    episode: 2,
    reward: -2,
    terminated: false,
    truncated: true,
  });
  await driver.tell("episode", {
    episode: 1,
    return: 1.5,
    length: 4,
    firstStep: 0,
    terminated: true,
    truncated: false,
  });
  await driver.tell("params", { values: { lr: 0.75, nested: { list: [1, "two", null] } } });
  await driver.tell("text", { tag: "notes", text: "line 1\nzeile 2 ✓", step: 5, level: "warning" });
  await driver.tell("histogram", {
    series: "weights",
    edges: [0, 0.5, 2],
    counts: [3, 9],
    step: 6,
  });
  assert.equal(await driver.flush(), true);
  await driver.finish();

  using stored = new Stored(box, runId);
  assert.equal(stored.run?.state, "finished");
  assert.deepEqual(stored.run?.tags.toSorted(), ["ppo", "täg"]);
  assert.deepEqual(stored.samples(), [
    { series: "train/loss", step: 7, value: 0.25 },
    { series: "größe", step: 7, value: -1 },
  ]);
  assert.deepEqual(stored.steps(), [
    {
      step: 3,
      episode: 1,
      reward: 1.5,
      terminated: true,
      truncated: false,
      extra: { höhe: "zwölf 🚀" },
    },
    { step: 4, episode: 2, reward: -2, terminated: false, truncated: true, extra: null },
  ]);
  const [episode, ...furtherEpisodes] = stored.episodes();
  assert.deepEqual(furtherEpisodes, []);
  assert.deepEqual(
    [episode!.episode, episode!.firstStep, episode!.length, episode!.episodeReturn],
    [1n, 0n, 4n, 1.5],
  );
  assert.deepEqual([episode!.terminated, episode!.truncated], [true, false]);
  const { lr, env, nested } = stored.params;
  assert.deepEqual({ lr, env, nested }, {
    lr: 0.75,
    env: "Cart–Pole",
    nested: { list: [1, "two", null] },
  });
  const [log, ...furtherLogs] = stored.logs();
  assert.deepEqual(furtherLogs, []);
  assert.deepEqual([log!.source, log!.text, log!.step, log!.level], [
    "notes",
    "line 1\nzeile 2 ✓",
    5n,
    3,
  ]);
  const [histogram, ...furtherHistograms] = stored.histograms();
  assert.deepEqual(furtherHistograms, []);
  assert.deepEqual([...histogram!.edges], [0, 0.5, 2]);
  assert.deepEqual([...histogram!.counts], [3n, 9n]);
  assert.deepEqual([histogram!.series, histogram!.step], ["weights", 6n]);
});

testEachClient("NaN and the infinities are values like others", async (start) => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("nan");
  const driver = start(box);
  await driver.init(runId);
  for (const value of ["NaN", "Infinity", "-Infinity", 1]) {
    await driver.tell("log", { values: { loss: value } });
    await driver.tell("step", { reward: value });
  }
  assert.equal(await driver.flush(), true);
  await driver.finish();

  using stored = new Stored(box, runId);
  assert.deepEqual(stored.samples().map(({ value }) => value), [NaN, Infinity, -Infinity, 1]);
  assert.deepEqual(stored.steps().map(({ reward }) => reward), [NaN, Infinity, -Infinity, 1]);
});

testEachClient("what is no row is an error of the script's, and the run goes on", async (start) => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("wrong");
  const driver = start(box);
  await assert.rejects(driver.init("no/such name"), /Error/);
  await driver.init(runId);
  await assert.rejects(driver.tell("log", { values: { "": 1 } }), /Error/);
  await assert.rejects(driver.tell("log", { values: { ["x".repeat(201)]: 1 } }), /Error/);
  await assert.rejects(driver.tell("log", { values: { "a\nb": 1 } }), /Error/);
  await assert.rejects(driver.tell("step", { step: -1, reward: 0 }), /Error/);
  await assert.rejects(driver.tell("text", { tag: "a", text: "b", level: "loud" }), /Error/);
  await driver.tell("log", { values: { ["ü".repeat(100)]: 1 } });
  assert.equal(await driver.flush(), true);
  await driver.finish({ failed: "the test says so" });

  using stored = new Stored(box, runId);
  assert.deepEqual(stored.samples().map(({ series }) => series), ["ü".repeat(100)]);
  assert.deepEqual(stored.steps(), []);
  assert.deepEqual([stored.run?.state, stored.run?.reason], ["failed", "the test says so"]);
});

testEachClient("a checkpoint's bytes are kept, and once for each content", async (start) => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("files");
  const path = `${box.folder}/best.pt`;
  const bytes = new Uint8Array(3_000_001).map((_, index) => index % 251);
  await Deno.writeFile(path, bytes);
  const driver = start(box);
  await driver.init(runId);
  await driver.tell("checkpoint", { path, step: 5, metadata: { score: 1.5 } });
  await driver.tell("checkpoint", { path, name: "again.pt", step: 6 });
  await driver.finish();

  using stored = new Stored(box, runId);
  const files = stored.checkpoints.toSorted((a, b) => a.name < b.name ? 1 : -1);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  assert.deepEqual(files.map((file) => [file.name, file.step, file.sizeBytes, file.sha256]), [
    ["best.pt", 5n, 3_000_001n, sha256],
    ["again.pt", 6n, 3_000_001n, sha256],
  ]);
  assert.deepEqual(JSON.parse(files[0]!.metadataJson), { score: 1.5 });
  assert.deepEqual(await Deno.readFile(checkpointPath(box.dataDir, sha256)), bytes);
});

testEachClient("a flush may ask for what survives a loss of power", async (start) => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("synced");
  const driver = start(box);
  await driver.init(runId);
  await driver.burst(0, 500);
  assert.equal(await driver.flush({ synced: true }), true);
  await driver.burst(500, 600);
  assert.equal(await driver.flush({ synced: true }), true);
  await driver.finish();

  using stored = new Stored(box, runId);
  assert.equal(stored.steps().length, 600);
});
