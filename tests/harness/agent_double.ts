/** Agents without processes: a clock that a test moves, keepers that end when it says so, a journal that remembers. */

import {
  Agent,
  type AgentClock,
  type AgentJournal,
  type KeptProcess,
} from "../../core/agents/agent.ts";
import type { AgentConfig } from "../../core/agents/config.ts";
import { parseAgents } from "../../core/agents/config.ts";
import type { AgentEnd, KeeperListener, KeeperSpec } from "../../core/agents/keeper.ts";
import { AS_DECLARED } from "../../core/agents/plan.ts";
import { parseConfigFile } from "../../core/settings.ts";

export class ClockDouble implements AgentClock {
  #nowMs = 1_000_000;
  #timers: { atMs: number; run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((other) => other !== timer);
  }

  get timersCount(): number {
    return this.#timers.length;
  }

  /** Time passes; what is due is done in order, and what follows of it. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    while (true) {
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#nowMs = next.atMs;
      next.run();
      await settled();
    }
    this.#nowMs = untilMs;
    await settled();
  }
}

/** More than any chain of promises here that wait for nothing. */
const TURNS = 20;

/** Promises that wait for nothing are done. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await Promise.resolve();
}

export class ProcessDouble implements KeptProcess {
  readonly #ended = Promise.withResolvers<AgentEnd>();
  readonly ended = this.#ended.promise;
  readonly asked: ("stop" | "kill")[] = [];

  constructor(readonly spec: KeeperSpec, readonly listener: KeeperListener, readonly pid: number) {}

  stop(): void {
    this.asked.push("stop");
  }

  kill(): void {
    this.asked.push("kill");
  }

  started(): void {
    this.listener.onStarted(this.pid);
  }

  async end(end: Partial<AgentEnd> = {}): Promise<void> {
    const code = end.code ?? null;
    const text = code === null ? "was ended by SIGKILL" : `ended with code ${code}`;
    this.#ended.resolve({ code, signal: null, reason: "exited", text, ...end });
    await settled();
  }
}

export class JournalDouble implements AgentJournal {
  /** `begin`, `end STATE REASON` and the notes. */
  readonly words: string[] = [];

  begin(): void {
    this.words.push("begin");
  }

  line(source: string, text: string): void {
    this.words.push(`${source}: ${text}`);
  }

  note(level: string, text: string): void {
    this.words.push(`${level}: ${text}`);
  }

  end(state: string, reason: string): void {
    this.words.push(`end ${state} ${reason}`.trim());
  }
}

/** As `[agents.a]` in the file says. */
export function agentConfig(text = 'command = ["sim"]'): AgentConfig {
  const path = "/etc/telebridge.toml";
  return parseAgents(parseConfigFile({ path, text: `[agents.a]\n${text}` }).agents, path)[0]!;
}

export class AgentBench {
  readonly clock = new ClockDouble();
  readonly journal = new JournalDouble();
  readonly processes: ProcessDouble[] = [];
  readonly agent: Agent;
  /** What a plan waits for. */
  planned: Promise<void> = Promise.resolve();
  /** As it told. */
  readonly encoders: string[] = [];
  /** Its process has ended so often. */
  endsCount = 0;

  constructor({ text, random = () => 0.5 }: { text?: string; random?: () => number } = {}) {
    this.agent = new Agent(agentConfig(text), {
      clock: this.clock,
      random,
      journal: this.journal,
      plan: async (config) => {
        await this.planned;
        const placement = AS_DECLARED.place(config);
        return { command: config.command ?? ["ours"], env: {}, placement, why: "declared" };
      },
      keep: (spec, listener) => {
        const process = new ProcessDouble(spec, listener, 100 + this.processes.length);
        this.processes.push(process);
        return process;
      },
      onChange() {},
      onEncoder: (_, encoderName) => this.encoders.push(encoderName),
      onEnded: () => this.endsCount++,
    });
  }

  /** The newest. */
  get process(): ProcessDouble {
    return this.processes.at(-1)!;
  }

  /** Wanted, and running. */
  async run(): Promise<void> {
    this.agent.start();
    await settled();
    this.process.started();
  }

  /** Its process lives so long, then dies. Returns the time until the next one, ms; null: none is to come. */
  async dieAfter(ms: number, end: Partial<AgentEnd> = {}): Promise<number | null> {
    await this.clock.pass(ms);
    await this.process.end(end);
    const { nextStartAtMs } = this.agent.status(null);
    if (nextStartAtMs === null) return null;
    const waitMs = nextStartAtMs - this.clock.nowMs();
    await this.clock.pass(waitMs);
    this.process.started();
    return waitMs;
  }
}
