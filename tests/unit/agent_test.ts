import assert from "node:assert/strict";
import { SHORT_LIVES_MAX } from "../../core/agents/agent.ts";
import { Backoff } from "../../core/backoff.ts";
import { AgentBench, settled } from "../harness/agent_double.ts";
import { randomOf } from "../harness/random.ts";

Deno.test("agent: it starts, is told to stop, and is stopped when all is gone", async () => {
  const bench = new AgentBench();
  const { agent } = bench;
  assert.equal(agent.state, "stopped");
  agent.start();
  assert.equal(agent.state, "starting");
  await settled();
  bench.process.started();
  assert.equal(agent.state, "running");
  assert.equal(agent.status(null).pid, 100);
  agent.stop();
  assert.equal(agent.state, "stopping");
  assert.deepEqual(bench.process.asked, ["stop"]);
  let rested = false;
  agent.resting.then(() => rested = true);
  await settled();
  assert.equal(rested, false);
  await bench.process.end({ code: 0 });
  assert.equal(rested, true);
  assert.equal(agent.state, "stopped");
  const { pid, restarts, lastEnd } = agent.status(null);
  assert.deepEqual({ pid, restarts, text: lastEnd?.text }, {
    ...{ pid: null, restarts: 0, text: "ended with code 0" },
  });
  assert.deepEqual(bench.journal.words, [
    ...["begin", "info: started as process 100 (declared)", "info: ended with code 0"],
    "end finished",
  ]);
});

Deno.test("agent: after a long life it starts again in 100 ms, however often", async () => {
  const bench = new AgentBench({ random: () => 0.9 });
  await bench.run();
  for (let life = 0; life < 2 * SHORT_LIVES_MAX; life++) {
    assert.equal(await bench.dieAfter(10_000), 100);
  }
  assert.equal(bench.agent.restarts, 2 * SHORT_LIVES_MAX);
});

Deno.test("agent: short lives are followed by ever longer waits, and a long one by a short wait", async () => {
  const bench = new AgentBench({ random: () => 0.5 });
  await bench.run();
  const waits: (number | null)[] = [];
  for (let life = 0; life < 5; life++) waits.push(await bench.dieAfter(9_999));
  assert.deepEqual(waits, [100, 200, 400, 800, 1600]);
  assert.equal(await bench.dieAfter(10_000), 100);
  assert.equal(await bench.dieAfter(1), 100);
  assert.equal(await bench.dieAfter(1), 200);
});

Deno.test("agent: waits vary by a fifth, and those of two agents differ", () => {
  const options = { firstMs: 100, maxMs: 10_000, wellMs: 10_000 };
  const [one, other] = [1, 2].map((seed) => new Backoff({ ...options, random: randomOf(seed) }));
  const waitsOf = (backoff: Backoff) => Array.from({ length: 20 }, () => backoff.afterLife(5));
  const [waits, otherWaits] = [waitsOf(one!), waitsOf(other!)];
  assert.notDeepEqual(waits, otherWaits);
  for (const [life, waitMs] of waits.entries()) {
    const plainMs = Math.min(100 * 2 ** life, 10_000);
    const spread = life === 0 ? 0 : 0.2;
    assert(Math.abs(waitMs - plainMs) <= plainMs * spread + 1, `${waitMs} after life ${life}`);
  }
});

Deno.test("agent: a crash loop ends the tries and the run, and a person ends the crash loop", async () => {
  const bench = new AgentBench();
  const { agent } = bench;
  await bench.run();
  for (let life = 1; life < SHORT_LIVES_MAX; life++) assert.notEqual(await bench.dieAfter(1), null);
  assert.equal(await bench.dieAfter(1), null);
  assert.equal(agent.state, "crash-loop");
  assert.equal(bench.clock.timersCount, 0);
  assert.match(bench.journal.words.at(-1)!, /^end failed .*telebridge agents restart a$/);
  const lives = bench.processes.length;
  agent.restart();
  await settled();
  assert.equal(bench.processes.length, lives + 1);
  bench.process.started();
  assert.equal(bench.journal.words.filter((word) => word === "begin").length, 2);
  assert.equal(await bench.dieAfter(1), 100, "what was is forgotten");
});

Deno.test("agent: a life begins with its process, however long its plan took", async () => {
  const bench = new AgentBench();
  const planned = Promise.withResolvers<void>();
  bench.planned = planned.promise;
  bench.agent.start();
  await bench.clock.pass(60_000);
  planned.resolve();
  await settled();
  assert.equal(await bench.dieAfter(1), 100);
  assert.equal(await bench.dieAfter(1), 200, "the first was a short one");
});

Deno.test("agent: a stop while it waits for its next try ends the waiting", async () => {
  const bench = new AgentBench();
  await bench.run();
  await bench.process.end({ code: 1 });
  assert.equal(bench.agent.state, "restarting");
  bench.agent.stop();
  assert.equal(bench.agent.state, "stopped");
  assert.equal(bench.agent.status(null).nextStartAtMs, null);
  await bench.clock.pass(60_000);
  assert.equal(bench.processes.length, 1);
  assert.equal(bench.journal.words.at(-1), "end finished");
});

Deno.test("agent: a start while it waits is a start at once, and the only one", async () => {
  const bench = new AgentBench();
  await bench.run();
  for (let life = 0; life < 4; life++) await bench.dieAfter(1);
  await bench.process.end();
  bench.agent.start();
  await settled();
  assert.equal(bench.processes.length, 6);
  await bench.clock.pass(60_000);
  assert.equal(bench.processes.length, 6);
});

Deno.test("agent: a start while it stops is done when it has stopped; a stop after that takes it back", async () => {
  const bench = new AgentBench();
  const { agent } = bench;
  await bench.run();
  agent.stop();
  agent.start();
  assert.equal(agent.state, "stopping");
  assert.equal(bench.processes.length, 1, "never two at a time");
  await bench.process.end({ code: 0 });
  assert.equal(bench.processes.length, 2);
  assert.equal(agent.restarts, 0, "a person asked for it");
  bench.process.started();
  agent.stop();
  agent.start();
  agent.stop();
  await bench.process.end({ code: 0 });
  assert.equal(agent.state, "stopped");
  assert.equal(bench.processes.length, 2);
});

Deno.test("agent: a stop before there is a process leaves none", async () => {
  const bench = new AgentBench();
  const planned = Promise.withResolvers<void>();
  bench.planned = planned.promise;
  bench.agent.start();
  bench.agent.stop();
  planned.resolve();
  await bench.agent.resting;
  assert.equal(bench.agent.state, "stopped");
  assert.equal(bench.processes.length, 0);
});

Deno.test("agent: what cannot be started is tried again, and says why", async () => {
  const bench = new AgentBench();
  bench.planned = Promise.reject(new Error("there is no gst-launch-1.0"));
  bench.agent.start();
  await settled();
  assert.equal(bench.agent.state, "restarting");
  assert.equal(bench.agent.status(null).lastEnd?.text, "there is no gst-launch-1.0");
  bench.planned = Promise.resolve();
  await bench.clock.pass(100);
  assert.equal(bench.processes.length, 1);
});

const POLICIES: [
  policy: string,
  end: { code: number | null },
  state: string,
  run: string | null,
][] = [
  ["always", { code: 0 }, "restarting", null],
  ["always", { code: 1 }, "restarting", null],
  ["on-failure", { code: 0 }, "stopped", "end finished"],
  ["on-failure", { code: 1 }, "restarting", null],
  ["on-failure", { code: null }, "restarting", null],
  ["never", { code: 0 }, "stopped", "end finished"],
  ["never", { code: 1 }, "failed", "end failed ended with code 1"],
];

for (const [policy, end, state, run] of POLICIES) {
  Deno.test(`agent: restart = "${policy}", code ${end.code}: ${state}`, async () => {
    const bench = new AgentBench({ text: `command = ["sim"]\nrestart = "${policy}"` });
    await bench.run();
    await bench.process.end(end);
    assert.equal(bench.agent.state, state);
    if (run !== null) assert.equal(bench.journal.words.at(-1), run);
  });
}

Deno.test("agent: a hung one is killed and replaced, once, and its end says why", async () => {
  const bench = new AgentBench({ text: 'command = ["sim"]\nrestart = "on-failure"' });
  const { agent } = bench;
  await bench.run();
  await bench.clock.pass(20_000);
  const verdict = { trouble: "hung", text: "no frame for 5 s" } as const;
  agent.onTrouble(verdict);
  agent.onTrouble(verdict);
  assert.deepEqual(bench.process.asked, ["kill"]);
  assert.equal(agent.status(null).health, "hung: no frame for 5 s");
  await bench.process.end({ code: 0 });
  assert.equal(agent.status(null).lastEnd?.text, "hung (no frame for 5 s) and killed");
  assert.equal(agent.status(null).health, null);
  await bench.clock.pass(100);
  assert.equal(bench.processes.length, 2);
  agent.onTrouble(verdict);
  assert.deepEqual(bench.process.asked, [], "it has not started yet");
});

Deno.test("agent: what it uses is told while it runs, and forgotten at its end", async () => {
  const bench = new AgentBench({ text: 'command = ["sim"]\ngpu = 1\nmemory-max = "1GiB"' });
  await bench.run();
  bench.process.listener.onUsage({ rssBytes: 1000, cpuSeconds: 1, processes: 1 });
  await bench.clock.pass(2000);
  bench.process.listener.onUsage({ rssBytes: 2000, cpuSeconds: 2, processes: 1 });
  const { rssBytes, cpuPercent, gpu, memoryMaxBytes, fps } = bench.agent.status(29.5);
  assert.deepEqual({ rssBytes, cpuPercent, gpu, memoryMaxBytes, fps }, {
    ...{ rssBytes: 2000, cpuPercent: 50, gpu: 1, memoryMaxBytes: 2 ** 30, fps: 29.5 },
  });
  await bench.process.end();
  assert.equal(bench.agent.status(null).rssBytes, null);
  assert.equal(bench.agent.status(null).cpuPercent, null);
  assert.equal(bench.endsCount, 1);
});

Deno.test("agent: ours tells what encodes, and another program's words are not taken for that", async () => {
  const told = 'telebridge agent: run "a", 640 x 360 at 30 pictures/s and 900 kbit/s, ' +
    "drawn by llvmpipe (LLVM 15.0.6, 256 bits), encoded by x264 164";
  const own = new AgentBench({ text: "" });
  await own.run();
  assert.equal(own.agent.status(null).encoder, "auto");
  own.process.listener.onLine("stderr", told);
  assert.equal(own.agent.status(null).encoder, "x264 164");
  assert.deepEqual(own.encoders, ["x264 164"]);
  await own.process.end();
  assert.equal(own.agent.status(null).encoder, "auto");
  const other = new AgentBench();
  await other.run();
  other.process.listener.onLine("stderr", told);
  assert.deepEqual(other.encoders, []);
});

Deno.test("agent: whatever is asked of it whenever, never two processes, and stopped is stopped", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = randomOf(seed);
    const bench = new AgentBench({ random });
    const { agent } = bench;
    let alive = 0;
    for (let turn = 0; turn < 60; turn++) {
      const before = bench.processes.length;
      switch (Math.floor(random() * 6)) {
        case 0:
          agent.start();
          break;
        case 1:
          agent.stop();
          break;
        case 2:
          agent.restart();
          break;
        case 3:
          agent.onTrouble({ trouble: "frozen", text: "" });
          break;
        case 4:
          if (alive > 0) {
            alive = 0;
            await bench.process.end({ code: random() < 0.5 ? 0 : 1 });
          }
          break;
        default:
          await bench.clock.pass(random() * 3000);
      }
      await settled();
      alive += bench.processes.length - before;
      assert(alive <= 1, `seed ${seed}: two processes at a time`);
      if (alive === 1 && agent.state === "starting") bench.process.started();
      const resting = ["stopped", "failed", "crash-loop"].includes(agent.state);
      assert(!(resting && alive > 0), `seed ${seed}: ${agent.state} with a process`);
      assert(bench.clock.timersCount === (agent.state === "restarting" ? 1 : 0), `seed ${seed}`);
    }
    agent.stop();
    if (alive > 0) await bench.process.end();
    assert.equal(agent.state, "stopped", `seed ${seed}`);
  }
});

Deno.test("agent: an end that is not well says what the program said last, one that was asked for does not", async () => {
  const bench = new AgentBench();
  const { agent } = bench;
  await bench.run();
  const { listener } = bench.process;
  listener.onLine("stderr", "Traceback (most recent call last):");
  listener.onLine("stderr", `ModuleNotFoundError: No module named '${"x".repeat(300)}'`);
  listener.onLine("stderr", "  ");
  listener.onLine("stdout", "bye");
  await bench.process.end({ code: 1 });
  const said = agent.status(null).lastEnd!.text;
  assert.match(said, /^ended with code 1: ModuleNotFoundError: No module named 'x+…$/);
  agent.start();
  await settled();
  bench.process.started();
  await bench.process.end({ code: 1 });
  assert.equal(agent.status(null).lastEnd?.text, "ended with code 1");
  agent.start();
  await settled();
  bench.process.started();
  bench.process.listener.onLine("stderr", "asked to end");
  agent.stop();
  await bench.process.end({ code: 143 });
  assert.equal(agent.status(null).lastEnd?.text, "ended with code 143");
});
