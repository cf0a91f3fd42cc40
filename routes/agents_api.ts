/** `/api/agents`: what agents there are, and a word to each. What they run comes from the configuration file alone. */

import { AGENT_ACTIONS, type AgentAction, NoSuchAgent } from "../core/agents/supervisor.ts";
import { UserError } from "../core/errors.ts";
import type { AgentsAnswer } from "../proto/agents.ts";
import { requireAccess, requireControl } from "./api.ts";
import type { App } from "./app.ts";
import { type Exchange, HttpError } from "./exchange.ts";

export const AGENTS = "/api/agents";

export function listAgents({ agents: { supervisor } }: App, exchange: Exchange): void {
  requireAccess(exchange);
  exchange.json(200, { agents: supervisor.list(), nowMs: Date.now() } satisfies AgentsAnswer);
}

/** `POST /api/agents/reload`, `POST /api/agents/NAME/start`. A body is of no use and is not read. */
export function commandAgents({ agents }: App, exchange: Exchange): void {
  requireControl(exchange);
  const words = exchange.url.pathname.slice(`${AGENTS}/`.length).split("/");
  const [name, action] = words;
  try {
    if (words.length === 1 && name === "reload") {
      return exchange.json(200, agents.supervisor.reload(agents.reread()));
    }
    if (words.length === 2 && isAction(action)) {
      return exchange.json(200, agents.supervisor.command(name!, action));
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new HttpError(error instanceof NoSuchAgent ? 404 : 409, error.message);
  }
  throw new HttpError(404, `there is nothing at ${exchange.url.pathname}`);
}

function isAction(word: string | undefined): word is AgentAction {
  return AGENT_ACTIONS.some((action) => action === word);
}
