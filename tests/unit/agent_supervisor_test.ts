import assert from "node:assert/strict";
import { parseAgents } from "../../core/agents/config.ts";
import { agentEnvironment } from "../../core/agents/environment.ts";
import { Journals } from "../../core/agents/journals.ts";
import { agentMetricsText } from "../../core/agents/metrics_text.ts";
import { AS_DECLARED } from "../../core/agents/plan.ts";
import { AgentSupervisor } from "../../core/agents/supervisor.ts";
import { UserError } from "../../core/errors.ts";
import { parseConfigFile } from "../../core/settings.ts";
import { agentConfig, ClockDouble, ProcessDouble, settled } from "../harness/agent_double.ts";

const path = "/etc/telebridge.toml";

function configsOf(text: string) {
  return parseAgents(parseConfigFile({ path, text }).agents, path);
}

class Bench {
  readonly clock = new ClockDouble();
  readonly processes: ProcessDouble[] = [];
  readonly supervisor: AgentSupervisor;
  released: string[] = [];

  constructor(text: string) {
    const journals = new Journals({ journal() {}, listen() {} }, { clock: this.clock });
    this.supervisor = new AgentSupervisor(configsOf(text), {
      clock: this.clock,
      random: () => 0.5,
      placer: { ...AS_DECLARED, release: (name) => this.released.push(name) },
      vacated: () => Promise.resolve(),
      plan: ({ command }, placement) =>
        Promise.resolve({ command: command!, env: {}, placement, why: "" }),
      keep: (spec, listener) => {
        const process = new ProcessDouble(spec, listener, 100 + this.processes.length);
        this.processes.push(process);
        process.started();
        return process;
      },
      journals,
      fpsOf: (name) => name === "a" ? 30 : null,
    });
  }

  get states(): Record<string, string> {
    return Object.fromEntries(this.supervisor.list().map(({ name, state }) => [name, state]));
  }

  processOf(program: string): ProcessDouble {
    return this.processes.findLast(({ spec }) => spec.command[0] === program)!;
  }
}

const THREE = `
  [agents.a]
  command = ["a"]
  [agents.b]
  command = ["b"]
  [agents.c]
  command = ["c"]
  autostart = false
`;

Deno.test("agents: those that start by themselves do, the others when they are told to", async () => {
  const { supervisor, ...bench } = new Bench(THREE);
  supervisor.start();
  await settled();
  assert.deepEqual(supervisor.list().map(({ name, state, fps }) => [name, state, fps]), [
    ...[["a", "running", 30], ["b", "running", null], ["c", "stopped", null]],
  ]);
  supervisor.command("c", "start");
  await settled();
  assert.equal(bench.processes.length, 3);
  assert.throws(() => supervisor.command("d", "stop"), (error) => {
    assert(error instanceof UserError);
    assert.equal(error.message, 'there is no agent "d"; did you mean a, b, c?');
    return true;
  });
});

Deno.test("agents: another file stops, replaces and starts, and leaves alone what is the same", async () => {
  const bench = new Bench(THREE);
  const { supervisor } = bench;
  supervisor.start();
  await settled();
  const b = bench.processOf("b");
  const reloaded = supervisor.reload(configsOf(`
    [agents.d]
    command = ["d"]
    [agents.a]
    command = ["a"]
    [agents.b]
    command = ["b2"]
  `));
  assert.deepEqual(reloaded, { added: ["d"], changed: ["b"], removed: ["c"] });
  await settled();
  assert.deepEqual(bench.states, { d: "running", a: "running", b: "stopped" });
  assert.deepEqual(b.asked, ["stop"]);
  assert.deepEqual(bench.processOf("a").asked, []);
  assert.equal(bench.processOf("b2"), undefined, "not beside the old one");
  assert.throws(() => supervisor.command("b", "start"), /has not ended yet; try again/);
  await b.end({ code: 0 });
  assert.deepEqual(bench.states, { d: "running", a: "running", b: "running" });
  assert.deepEqual(bench.processOf("b2").spec.command, ["b2"]);
});

Deno.test("agents: one that a person stopped stays so when the file changes", async () => {
  const bench = new Bench('[agents.a]\ncommand = ["a"]');
  bench.supervisor.start();
  await settled();
  bench.supervisor.command("a", "stop");
  await bench.processOf("a").end({ code: 0 });
  bench.supervisor.reload(configsOf('[agents.a]\ncommand = ["a2"]'));
  await settled();
  assert.deepEqual(bench.states, { a: "stopped" });
});

Deno.test("agents: a file that changes again before the old process has ended loses nobody", async () => {
  const bench = new Bench('[agents.a]\ncommand = ["a"]\n[agents.b]\ncommand = ["b"]');
  const { supervisor } = bench;
  supervisor.start();
  await settled();
  supervisor.command("b", "stop");
  for (const round of [2, 3]) {
    const text = `[agents.a]\ncommand = ["a${round}"]\n[agents.b]\ncommand = ["b${round}"]`;
    supervisor.reload(configsOf(text));
  }
  let stopped = false;
  await bench.processOf("b").end({ code: 0 });
  assert.equal(bench.processOf("a").asked.length, 1);
  await bench.processOf("a").end({ code: 0 });
  assert.deepEqual(bench.states, { a: "running", b: "stopped" }, "b was being stopped");
  assert.deepEqual(bench.processOf("a3").spec.command, ["a3"]);
  assert.equal(bench.processOf("a2"), undefined);

  supervisor.reload(configsOf(""));
  supervisor.stop().then(() => stopped = true);
  await bench.clock.pass(3_000);
  assert.equal(stopped, false, "who left is waited for, too");
  await bench.processOf("a3").end({ code: 0 });
  await bench.clock.pass(3_000);
  assert.equal(stopped, true);
});

Deno.test("agents: a watchdog's word about a process before this one is not about this one", async () => {
  const bench = new Bench('[agents.a]\ncommand = ["a"]');
  const { supervisor } = bench;
  supervisor.start();
  await settled();
  const [watched] = supervisor.watched();
  await bench.clock.pass(20_000);
  await bench.processOf("a").end();
  assert.deepEqual(bench.released, ["a"]);
  await bench.clock.pass(100);
  const verdict = { trouble: "black", text: "" } as const;
  supervisor.onTrouble("a", watched!.startedAtMs, verdict);
  assert.deepEqual(bench.processOf("a").asked, []);
  const [now] = supervisor.watched();
  supervisor.onTrouble("a", now!.startedAtMs, verdict);
  assert.deepEqual(bench.processOf("a").asked, ["kill"]);
});

Deno.test("agents: a stop ends all, waits for them, and lets nobody start again", async () => {
  const bench = new Bench(THREE);
  const { supervisor } = bench;
  supervisor.start();
  await settled();
  let stopped = false;
  supervisor.stop().then(() => stopped = true);
  await bench.processOf("a").end({ code: 0 });
  assert.equal(stopped, false);
  await bench.processOf("b").end({ code: 0 });
  assert.equal(stopped, false, "nothing is stored here");
  await bench.clock.pass(3_000);
  assert.equal(stopped, true);
  assert.throws(() => supervisor.command("a", "start"), /the server is stopping/);
});

Deno.test("agents: the environment is ours without secrets, the agent's own, and where it belongs", () => {
  const ours = {
    ...{ PATH: "/bin", HOME: "/home/me", TELEBRIDGE_TOKEN: "secret", TELEBRIDGE_URL: "http://x" },
    ...{ TELEBRIDGE_RUNTIME_DIR: "/run/me", TELEBRIDGE_RUN: "mine", NOTIFY_SOCKET: "/s" },
    ...{ CUDA_VISIBLE_DEVICES: "0,1", SEED: "1" },
  };
  const config = agentConfig('command = ["sim"]\ngpu = 1\nenv = { SEED = 2 }');
  const given = { environment: ours, dataDir: "/data" };
  assert.deepEqual(agentEnvironment(config, AS_DECLARED.place(config), given), {
    ...{ PATH: "/bin", HOME: "/home/me", TELEBRIDGE_RUNTIME_DIR: "/run/me" },
    ...{ PYTHONUNBUFFERED: "1", CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: "1" },
    ...{ SEED: "2", TELEBRIDGE_RUN: "a", TELEBRIDGE_DATA_DIR: "/data", TELEBRIDGE_GPU: "1" },
  });
  const own = agentConfig("gpu = 1");
  const { CUDA_VISIBLE_DEVICES, TELEBRIDGE_GPU } = agentEnvironment(
    own,
    AS_DECLARED.place(own),
    given,
  );
  assert.deepEqual([CUDA_VISIBLE_DEVICES, TELEBRIDGE_GPU], ["0,1", "1"], "ours counts otherwise");
});

Deno.test("agents: their metrics", async () => {
  const bench = new Bench('[agents.a]\ncommand = ["a"]');
  bench.supervisor.start();
  await settled();
  bench.processOf("a").listener.onUsage({ rssBytes: 4096, cpuSeconds: 1, processes: 1 });
  const text = agentMetricsText({ agents: bench.supervisor.list(), linesDropped: [["a", 7]] });
  for (
    const line of [
      'telebridge_agent_state{agent="a",state="running"} 1',
      'telebridge_agent_state{agent="a",state="crash-loop"} 0',
      'telebridge_agent_restarts_total{agent="a"} 0',
      'telebridge_agent_resident_memory_bytes{agent="a"} 4096',
      'telebridge_agent_log_lines_dropped_total{agent="a"} 7',
    ]
  ) assert(text.split("\n").includes(line), `${line} is not in:\n${text}`);
});
