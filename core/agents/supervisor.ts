/** All agents of one server: as the configuration file declares them, and in no other way. */

import { getLogger } from "@logtape/logtape";
import type { AgentStatus } from "../../proto/agents.ts";
import { UserError } from "../errors.ts";
import { nearNames } from "../near_names.ts";
import { Agent, type AgentClock, type KeptProcess } from "./agent.ts";
import type { AgentConfig } from "./config.ts";
import type { Journals } from "./journals.ts";
import type { KeeperListener, KeeperSpec } from "./keeper.ts";
import type { AgentPlan, Placement, Placer } from "./plan.ts";
import type { Verdict } from "./watchdog.ts";

/** For the last words to be stored when the server stops. */
const JOURNAL_MS_MAX = 3_000;
/** Who waits longer for the end of all agents is told for whom. */
const QUIET_STOP_MS = 1_000;

const logger = getLogger(["telebridge", "agents"]);

export const AGENT_ACTIONS = ["start", "stop", "restart"] as const;
export type AgentAction = typeof AGENT_ACTIONS[number];

export interface SupervisorParts {
  clock: AgentClock;
  /** From 0 to 1 (not included). */
  random: () => number;
  placer: Placer;
  /** Resolves when nothing of that name runs any more that another server has started. */
  vacated(name: string): Promise<void>;
  /** Rejects, or throws, with a reason for people. */
  plan(config: AgentConfig, placement: Placement): Promise<AgentPlan>;
  keep(spec: KeeperSpec, listener: KeeperListener): KeptProcess;
  journals: Journals;
  /** Pictures that the run published in the last second; null: it has none. */
  fpsOf(runId: string): number | null;
}

export class NoSuchAgent extends UserError {
  override name = "NoSuchAgent";

  constructor(name: string, names: readonly string[]) {
    const near = nearNames(name, names);
    const hint = near.length > 0
      ? `did you mean ${near.join(", ")}?`
      : names.length === 0
      ? "none is declared in the configuration file"
      : `there are ${names.join(", ")}`;
    super(`there is no agent "${name}"; ${hint}`);
  }
}

/** What another configuration file changed. */
export interface Reloaded {
  added: string[];
  changed: string[];
  removed: string[];
}

export interface AgentsListener {
  /** Its status is another, or it is not declared any more. */
  onAgentChange(name: string): void;
}

export class AgentSupervisor {
  readonly #parts: SupervisorParts;
  readonly #listeners: AgentsListener[] = [];
  /** In the file's order. */
  #agents = new Map<string, Agent>();
  /** By name, the end of those that are not declared any more, or not so. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  /** They start when those are gone. */
  readonly #waiting = new Set<Agent>();
  #stopped = false;

  constructor(configs: readonly AgentConfig[], parts: SupervisorParts) {
    this.#parts = parts;
    for (const config of configs) this.#agents.set(config.name, this.#agentOf(config));
  }

  listen(listener: AgentsListener): void {
    this.#listeners.push(listener);
  }

  /** Starts those that start by themselves. */
  start(): void {
    for (const agent of this.#agents.values()) if (agent.config.autostart) agent.start();
  }

  list(): AgentStatus[] {
    return [...this.#agents.values()].map((agent) => agent.status(this.#parts.fpsOf(agent.name)));
  }

  /** Returns its status then; what is asked for goes on. Throws {@link NoSuchAgent}, {@link UserError}. */
  command(name: string, action: AgentAction): AgentStatus {
    const agent = this.#agents.get(name);
    if (agent === undefined) throw new NoSuchAgent(name, [...this.#agents.keys()]);
    if (this.#stopped) throw new UserError("the server is stopping");
    if (this.#leaving.has(name)) {
      throw new UserError(
        `what was agent "${name}" before the reload has not ended yet; try again`,
      );
    }
    agent[action]();
    return agent.status(this.#parts.fpsOf(name));
  }

  /** Those whose pictures are to be looked at. */
  *watched(): Generator<{ config: AgentConfig; startedAtMs: number }> {
    for (const { config, runningSinceMs } of this.#agents.values()) {
      if (runningSinceMs !== null) yield { config, startedAtMs: runningSinceMs };
    }
  }

  /** A watchdog's finding about one of {@link watched}, which was started then. */
  onTrouble(name: string, startedAtMs: number, verdict: Verdict): void {
    const agent = this.#agents.get(name);
    if (agent?.runningSinceMs === startedAtMs) agent.onTrouble(verdict);
  }

  /**
   * Takes over another file: who is not in it is stopped, who is in it anew or otherwise is started, the others go on
   * undisturbed.
   */
  reload(configs: readonly AgentConfig[]): Reloaded {
    const known = this.#agents;
    this.#agents = new Map();
    const reloaded: Reloaded = { added: [], changed: [], removed: [] };
    for (const config of configs) {
      const old = known.get(config.name);
      known.delete(config.name);
      if (old !== undefined && JSON.stringify(old.config) === JSON.stringify(config)) {
        this.#agents.set(config.name, old);
        continue;
      }
      reloaded[old === undefined ? "added" : "changed"].push(config.name);
      const agent = this.#agentOf(config);
      this.#agents.set(config.name, agent);
      const wanted = old === undefined ? config.autostart : this.#isWanted(old);
      void this.#replace(config.name, old ?? null, wanted ? agent : null);
    }
    for (const [name, old] of known) {
      reloaded.removed.push(name);
      void this.#replace(name, old, null);
      this.#changed(name);
    }
    return reloaded;
  }

  /** Resolves when no process is left, and what was said is stored, if that can be done soon. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const agents = [...this.#agents.values()];
    for (const agent of agents) agent.stop();
    const { clock, journals } = this.#parts;
    const cancelWord = clock.after(QUIET_STOP_MS, () => tellWhoStays(agents));
    await Promise.all([...this.#leaving.values(), ...agents.map((agent) => agent.resting)]);
    cancelWord();
    let cancel = () => {};
    const late = new Promise<void>((resolve) => cancel = clock.after(JOURNAL_MS_MAX, resolve));
    await Promise.race([journals.written(), late]);
    cancel();
  }

  /** The new one starts when the old one, and those that left before it, are gone. */
  async #replace(name: string, old: Agent | null, agent: Agent | null): Promise<void> {
    if (agent !== null) this.#waiting.add(agent);
    const gone = Promise.all([this.#leaving.get(name), old?.resting]);
    this.#leaving.set(name, gone);
    old?.stop();
    await gone;
    if (this.#leaving.get(name) === gone) this.#leaving.delete(name);
    if (agent === null || !this.#waiting.delete(agent) || this.#stopped) return;
    if (this.#agents.get(name) === agent) agent.start();
  }

  /** Somebody wants it to run, or it is to start as soon as it can. */
  #isWanted(agent: Agent): boolean {
    return agent.isWanted || this.#waiting.has(agent);
  }

  #agentOf(config: AgentConfig): Agent {
    const { clock, random, placer, vacated, plan, keep, journals } = this.#parts;
    return new Agent(config, {
      clock,
      random,
      keep,
      journal: journals.of(config.name),
      plan: async () => {
        await vacated(config.name);
        return plan(config, await placer.place(config));
      },
      onChange: ({ name }) => this.#changed(name),
      onEncoder: ({ name }, encoderName) => placer.onEncoder(name, /nvenc/i.test(encoderName)),
      onEnded: ({ name }) => placer.release(name),
    });
  }

  #changed(name: string): void {
    for (const listener of this.#listeners) listener.onAgentChange(name);
  }
}

/** Why serve does not end yet. */
function tellWhoStays(agents: readonly Agent[]): void {
  const staying = agents.filter(({ state }) => state === "stopping").map(({ name, config }) =>
    `${name} (killed after ${config.stopGraceMs / 1000} s)`
  );
  if (staying.length > 0) logger.info`waiting for agents to end: ${staying.join(", ")}`;
}
