/** Supervised agents, read from and told by `/api/agents`. */

import type { AgentsAnswer, AgentStatus } from "../proto/agents.ts";
import { bodyOf, request } from "./request.ts";

export type AgentAction = "start" | "stop" | "restart";

export async function fetchAgents(): Promise<AgentsAnswer> {
  return await bodyOf(await request("/api/agents"));
}

/** Resolves to the agent's status right after. */
export async function commandAgent(name: string, action: AgentAction): Promise<AgentStatus> {
  const path = `/api/agents/${encodeURIComponent(name)}/${action}`;
  return await bodyOf(await request(path, { method: "POST" }));
}
