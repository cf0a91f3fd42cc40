/** The torture at the size of `make test`; `make torture` has the full one. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { installedPython } from "../harness/python.ts";
import { describeAgents, tortureAgents } from "./agents.ts";
import { tortureByDisconnects } from "./disconnects.ts";
import { tortureByKills } from "./kills.ts";
import { complaints } from "./load.ts";

const KILLS = 20;
const CUTS = 50;
const AGENTS = { agents: 4, width: 320, height: 180, quietSeconds: 5, seconds: 60 };
/** The machine may have other work; `make torture` holds the 0.1 %. */
const AGENTS_LOSS_MORE_MAX = 0.05;

Deno.test("torture: rows acknowledged, or logged by Python, are stored once and once only, whoever is killed when", async () => {
  await using box = await TestBox.create();
  const seed = Math.floor(Math.random() * 2 ** 32);
  console.log(`seed ${seed}`);
  const report = await tortureByKills(box, {
    kills: KILLS,
    seed,
    python: installedPython(),
    progress: console.log,
  });
  console.log(JSON.stringify(report));
  assert.deepEqual(report.complaints, []);
  assert(report.rowsAcknowledged > 0 && report.rowsStored >= report.rowsAcknowledged);
});

Deno.test("torture: each row is stored once when connections are cut in the middle of messages", async () => {
  await using box = await TestBox.create();
  const seed = Math.floor(Math.random() * 2 ** 32);
  console.log(`seed ${seed}`);
  const report = await tortureByDisconnects(box, { cuts: CUTS, seed, progress: console.log });
  console.log(JSON.stringify(report));
  assert.deepEqual(report.complaints, []);
  assert(report.rowsAcknowledged > 0 && report.rowsStored >= report.rowsAcknowledged);
});

Deno.test("torture: agents that are killed and stopped are replaced, and the others notice nothing", async () => {
  await using box = await TestBox.create();
  const report = await tortureAgents(box, { ...AGENTS, progress: console.log });
  for (const line of describeAgents(report)) console.log(line);
  assert.deepEqual(report.complaints, []);
  assert.equal(report.kills, 12);
  assert(report.lossTortured - report.lossQuiet < AGENTS_LOSS_MORE_MAX);
});

Deno.test("torture: the judge sees a lost row, a row stored twice, and a stranger's", () => {
  const ledgers = [
    { base: 0n, safe: 3n },
    { base: 1_000_000_000n, safe: 1n },
  ];
  const judge = (...steps: bigint[]) => complaints(ledgers, BigUint64Array.from(steps)).length;
  assert.equal(judge(1n, 2n, 3n, 1_000_000_001n), 0);
  assert.equal(judge(1n, 2n, 3n, 4n, 1_000_000_001n), 0, "more than acknowledged is fine");
  assert.equal(judge(1n, 2n, 1_000_000_001n), 1, "lost at the end");
  assert.equal(judge(1n, 3n, 1_000_000_001n), 1, "lost within");
  assert.equal(judge(1n, 2n, 2n, 3n, 1_000_000_001n), 1, "twice");
  assert.equal(judge(1n, 2n, 3n, 1_000_000_001n, 3_000_000_000n), 1, "a stranger's");
});
