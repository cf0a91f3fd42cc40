/** Named commands: who asks is the server, who answers is the script, and what it says comes back. */

import assert from "node:assert/strict";
import type { DurableLane } from "../../core/durable/lane.ts";
import { TestBox } from "../harness/box.ts";
import { startIngest } from "../harness/ingest.ts";
import { waitFor } from "../harness/wait.ts";
import { type Driver, testEachClient } from "./driver.ts";

const NAME_CHARS_MAX = 128;

async function answers(lane: DurableLane, runId: string, commands: string[]): Promise<void> {
  await waitFor(`a worker that answers ${commands}`, () => {
    const worker = lane.workers.find((other) => other.runId === runId);
    return worker?.commands.toSorted().join() === commands.toSorted().join();
  });
}

/** Asks, while the script goes on as a training does. */
async function ask(
  { driver, lane, runId }: { driver: Driver; lane: DurableLane; runId: string },
  name: string,
  args: unknown,
): Promise<unknown> {
  let isOver = false;
  const asked = lane.command(runId, name, JSON.stringify(args)).finally(() => isOver = true);
  asked.catch(() => {}); // it is looked at below
  while (!isOver) await driver.tell("turn");
  return JSON.parse(await asked);
}

testEachClient(
  "a named command is answered by its handler, and what that raises is the answer",
  async (start) => {
    await using box = await TestBox.create();
    const { lane } = await startIngest(box);
    const runId = box.runId("commands");
    const driver = start(box);
    const worker = { driver, lane, runId };
    await driver.init(runId);
    await driver.tell("answer", { name: "echo" });
    await driver.tell("answer", { name: "fail", fails: true });
    await answers(lane, runId, ["echo", "fail"]);
    for (const args of [null, 7, "größer 🚀", { lr: 3e-4, layers: [1, 2] }]) {
      assert.deepEqual(await ask(worker, "echo", args), { given: args });
    }
    const many = await Promise.all([1, 2, 3, 4, 5].map((number) => ask(worker, "echo", number)));
    assert.deepEqual(many, [1, 2, 3, 4, 5].map((given) => ({ given })));
    await assert.rejects(ask(worker, "fail", "no room"), /(Value|Range)Error: no room/);
    await assert.rejects(ask(worker, "echo", "x".repeat(70_000)), /over 65536 characters/);
    await assert.rejects(ask(worker, "load", null), /answers only/);
    assert.deepEqual(await ask(worker, "echo", "still"), { given: "still" });
    await driver.finish();
  },
);

testEachClient(
  "a command that is named late is told, and a server that starts anew knows them all",
  async (start) => {
    await using box = await TestBox.create();
    const { lane } = await startIngest(box);
    const runId = box.runId("late");
    const driver = start(box);
    const worker = { driver, lane, runId };
    await driver.init(runId);
    await driver.burst(0, 10);
    assert(await driver.flush());
    await answers(lane, runId, []);
    await driver.tell("answer", { name: "first" });
    await driver.tell("answer", { name: "second" });
    await answers(lane, runId, ["first", "second"]);
    assert.deepEqual(await ask(worker, "second", 2), { given: 2 });
    await driver.tell("answer", { name: "second", fails: true });
    await assert.rejects(ask(worker, "second", 3), /3/, "the newest handler is asked");
    Deno.kill(lane.pid!, "SIGKILL");
    await waitFor("the next ingest process", () => lane.restarts === 1 && lane.workers.length > 0);
    await answers(lane, runId, ["first", "second"]);
    assert.deepEqual(await ask(worker, "first", 4), { given: 4 });
    await driver.finish();
  },
);

testEachClient(
  "names that the server would refuse are refused where they are given",
  async (start) => {
    await using box = await TestBox.create();
    const driver = start(box);
    await driver.init(box.runId("names"));
    await assert.rejects(driver.tell("answer", { name: "" }), /run.on_?[cC]ommand: the name/);
    const long = "🚀".repeat(NAME_CHARS_MAX / 2);
    await driver.tell("answer", { name: "🚀".repeat(NAME_CHARS_MAX / 8) });
    await assert.rejects(
      driver.tell("answer", { name: long + "x" }),
      /run.on_?[cC]ommand: the name/,
    );
    for (let index = 1; index < 64; index++) await driver.tell("answer", { name: `c${index}` });
    await assert.rejects(driver.tell("answer", { name: "c64" }), /one too many, at most 64/);
    await driver.tell("answer", { name: "c63" });
    await driver.leave();
  },
);
