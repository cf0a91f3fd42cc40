/** The supervisor with what it needs of a server. */

import type { Library } from "../../ffi/library.ts";
import type { JournalLane } from "../durable/lane.ts";
import type { RunRegistry } from "../registry.ts";
import type { AgentClock } from "./agent.ts";
import { CaptureTools } from "./capture_tools.ts";
import type { AgentConfig } from "./config.ts";
import { agentEnvironment } from "./environment.ts";
import { FormerAgents } from "./former.ts";
import { Journals } from "./journals.ts";
import { Keeper } from "./keeper.ts";
import { findMachine } from "./machine.ts";
import { Placements } from "./placements.ts";
import { sourceCommand } from "./sources.ts";
import { AgentSupervisor } from "./supervisor.ts";
import { AgentWatch } from "./watch.ts";

/** What the command line knows of agents. */
export interface AgentsSetup {
  /** As of the start. */
  configs: readonly AgentConfig[];
  /** Reads the configuration file again. Throws UserError. */
  reread: () => readonly AgentConfig[];
  /** telebridge_agent */
  agentPath: string;
  /** telebridge_keeper */
  keeperPath: string;
  /** Ours. */
  environment: Readonly<Record<string, string>>;
}

const CLOCK: AgentClock = {
  nowMs: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export function assembleAgents(
  setup: AgentsSetup,
  { lane, registry, library, program, dataDir }: {
    lane: JournalLane;
    registry: RunRegistry;
    library: Library;
    /** This program: the executable and its first arguments. */
    program: readonly string[];
    dataDir: string;
  },
): { supervisor: AgentSupervisor; journals: Journals; watch: AgentWatch } {
  const { agentPath, keeperPath, environment } = setup;
  const nowMs = () => performance.now();
  const captures = new CaptureTools();
  const journals = new Journals(lane, { clock: CLOCK });
  const former = new FormerAgents(dataDir, keeperPath);
  const supervisor = new AgentSupervisor(setup.configs, {
    clock: CLOCK,
    random: Math.random,
    placer: new Placements(() => findMachine(program), nowMs),
    vacated: (name) =>
      former.ended(name, (pids) => {
        const which = `${pids.length === 1 ? "process" : "processes"} ${pids.join(", ")}`;
        journals.of(name).note("info", `waits for ${which} of the server before this one to end`);
      }),
    plan: async (config, placement) => {
      const { command, why } = await sourceCommand(config, placement, {
        ...{ agentPath, captures, environment },
      });
      const env = agentEnvironment(config, placement, { environment, dataDir });
      return { command, env, placement, why: `${why}; ${placement.why}` };
    },
    keep: (spec, listener) => Keeper.start(keeperPath, spec, listener),
    journals,
    fpsOf: (runId) => {
      const run = registry.get(runId);
      return run?.reader == null ? null : run.framesPerSecond;
    },
  });
  const watch = new AgentWatch({ agents: supervisor, registry, library, nowMs });
  registry.listen(watch);
  return { supervisor, journals, watch };
}
