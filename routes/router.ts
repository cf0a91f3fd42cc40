/** Which path leads to which handler. */

import { RUN_ID_PATTERN } from "../core/messages.ts";
import { AGENTS, commandAgents, listAgents } from "./agents_api.ts";
import * as api from "./api.ts";
import type { App } from "./app.ts";
import { type Exchange, HttpError } from "./exchange.ts";
import { history } from "./history.ts";
import { runPage, runsPage } from "./pages.ts";

const HISTORY = "/api/history/";

/** Answers the exchange, or throws {@link HttpError}. */
export async function route(app: App, exchange: Exchange): Promise<void> {
  const { method } = exchange.request;
  const { pathname } = exchange.url;
  const isCommand = pathname.startsWith(`${AGENTS}/`);
  const allowed = isCommand ? ["POST"] : ["GET", "HEAD"];
  if (!allowed.includes(method!)) {
    exchange.header("allow", allowed.join(", "));
    throw new HttpError(405, `${method} is not for ${pathname}`);
  }
  if (isCommand) return commandAgents(app, exchange);
  switch (pathname) {
    case "/":
      return runsPage(app, exchange);
    case "/healthz":
      return api.health(app, exchange);
    case "/metrics":
      return await api.metrics(app, exchange);
    case "/api/session":
      return api.session(app, exchange);
    case "/api/endpoints":
      return api.endpoints(app, exchange);
    case AGENTS:
      return listAgents(app, exchange);
    case "/api/runs":
      return api.runs(app, exchange);
  }
  if (pathname.startsWith(HISTORY)) {
    return await history(app, exchange, pathname.slice(HISTORY.length));
  }
  const [folder, name, leaf, ...rest] = pathname.slice(1).split("/");
  if (rest.length === 0 && name !== undefined) {
    if (folder === "assets" && leaf === undefined) return app.assets.serve(exchange, name);
    if (folder === "runs" && RUN_ID_PATTERN.test(name)) {
      if (leaf === undefined) return runPage(app, exchange, name);
      if (leaf === "frame.jpg") return await api.snapshot(app, exchange, name);
    }
  }
  throw new HttpError(404, `there is nothing at ${pathname}`);
}
