/** The agents' part of /metrics. */

import type { AgentState, AgentStatus } from "../../proto/agents.ts";
import type { MetricValue } from "../durable/feed.ts";
import { metricsText } from "../durable/metrics_text.ts";

const STATES: readonly AgentState[] = [
  ...["starting", "running", "stopping", "stopped"] as const,
  ...["restarting", "crash-loop", "failed"] as const,
];

export interface AgentFigures {
  agents: readonly AgentStatus[];
  linesDropped: Iterable<[name: string, lines: number]>;
}

export function agentMetricsText({ agents, linesDropped }: AgentFigures): string {
  return metricsText([
    ...agents.flatMap(({ name, state }) =>
      STATES.map((one) => ({
        name: "telebridge_agent_state",
        help: "1 for the state that the agent is in.",
        kind: "gauge" as const,
        labels: { agent: name, state: one },
        value: Number(one === state),
      }))
    ),
    ...agents.map(({ name, restarts }) => ({
      name: "telebridge_agent_restarts_total",
      help: "Times that the agent was started again since it had ended by itself.",
      kind: "counter" as const,
      labels: { agent: name },
      value: restarts,
    })),
    ...known(agents, ({ rssBytes }) => rssBytes, {
      name: "telebridge_agent_resident_memory_bytes",
      help: "Resident memory of all the agent's processes.",
    }),
    ...known(agents, ({ cpuPercent }) => cpuPercent === null ? null : cpuPercent / 100, {
      name: "telebridge_agent_cpu_ratio",
      help: "Processor time of all the agent's processes, as a part of one core.",
    }),
    ...[...linesDropped].map(([agent, value]) => ({
      name: "telebridge_agent_log_lines_dropped_total",
      help: "Lines of the agent's log that were dropped, since nothing could be stored.",
      kind: "counter" as const,
      labels: { agent },
      value,
    })),
  ]);
}

/** A gauge of those of whom there is a value. */
function known(
  agents: readonly AgentStatus[],
  valueOf: (agent: AgentStatus) => number | null,
  about: Pick<MetricValue, "name" | "help">,
): MetricValue[] {
  return agents.flatMap((agent) => {
    const value = valueOf(agent);
    return value === null
      ? []
      : [{ ...about, kind: "gauge", labels: { agent: agent.name }, value }];
  });
}
