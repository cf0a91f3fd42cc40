/** JSON and text for pages, scripts and monitors. */

import { agentMetricsText } from "../core/agents/metrics_text.ts";
import { durableMetricsText } from "../core/durable/metrics_text.ts";
import { isAnyAddress } from "../core/hosts.ts";
import type { Access } from "../core/tokens.ts";
import { VERSION } from "../core/version.ts";
import type { App } from "./app.ts";
import { type Exchange, HttpError } from "./exchange.ts";
import { webTransportUrl } from "./pages.ts";

/** The request's access. Throws 401 without a valid token. */
export function requireAccess(exchange: Exchange): Access {
  if (exchange.access !== null) return exchange.access;
  throw new HttpError(401, "a token is needed: Authorization: Bearer TOKEN, or the page's cookie");
}

/** Throws 401 without a valid token, 403 with one that may only watch. */
export function requireControl(exchange: Exchange): void {
  if (requireAccess(exchange) === "control") return;
  throw new HttpError(403, "this token can watch but not touch");
}

/** A ticket for one session, and where the lanes are. */
export function session(app: App, exchange: Exchange): void {
  const access = requireAccess(exchange);
  const url = webTransportUrl(app, exchange.request.headers.host!);
  exchange.json(200, {
    ticket: app.authority.issueTicket(access),
    access,
    webtransport: url === null ? null : {
      url,
      certificateHashes: app.webTransport()!.certificateHashes.map((hash) => hash.toBase64()),
    },
    webSocketPath: "/live",
  });
}

/** Where clients find gRPC. Only for those who may publish: a unix socket asks for no token. */
export function endpoints(app: App, exchange: Exchange): void {
  requireControl(exchange);
  const { unixSocket, port, remote } = app.durable.endpoints;
  exchange.json(200, {
    grpc: {
      unixSocket,
      port,
      remote: remote && { ...remote, host: reachableHost(remote.host, exchange) },
    },
  });
}

/** Who listens on all addresses is reached by the name that this request used. */
function reachableHost(listenHost: string, exchange: Exchange): string {
  return isAnyAddress(listenHost) ? exchange.url.hostname : listenHost;
}

export function runs(app: App, exchange: Exchange): void {
  requireAccess(exchange);
  exchange.json(200, { runs: app.runs() });
}

/** For monitors; needs no token and tells nothing about runs. */
export function health(app: App, exchange: Exchange): void {
  const uptimeSeconds = Math.floor((Date.now() - app.startedAtMs) / 1000);
  // The live lane's state: it goes on while the durable one cannot.
  const durable = app.durable.state;
  exchange.json(200, { state: "ok", version: VERSION, uptimeSeconds, durable });
}

export async function metrics(app: App, exchange: Exchange): Promise<void> {
  requireAccess(exchange);
  const { supervisor, journals } = app.agents;
  const text = await app.metrics.text() + durableMetricsText(app.durable) +
    agentMetricsText({ agents: supervisor.list(), linesDropped: journals.linesDropped() });
  exchange.header("cache-control", "no-store").send(200, app.metrics.contentType, text);
}

/** The newest frame as a JPEG, for a look by hand. */
export async function snapshot(app: App, exchange: Exchange, run: string): Promise<void> {
  requireAccess(exchange);
  const quality = Number(exchange.url.searchParams.get("quality") ?? 85);
  if (!Number.isInteger(quality) || quality < 1 || quality > 100) {
    throw new HttpError(400, "quality is a whole number from 1 to 100");
  }
  const jpeg = await app.snapshots.take(run, quality);
  exchange.header("cache-control", "no-store").send(200, "image/jpeg", jpeg);
}
