/** The HTTP server: limits, Host and Origin rules, security headers; then the router. */

import { getLogger } from "@logtape/logtape";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
import { messageOf } from "../core/errors.ts";
import type { TlsKeyPair } from "../core/tls.ts";
import type { App } from "./app.ts";
import { accessOf } from "./credentials.ts";
import { Exchange, HttpError } from "./exchange.ts";
import { errorPage } from "./notice_page.ts";
import { contentSecurityPolicy } from "./pages.ts";
import { route } from "./router.ts";

const LIMITS = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16 * 1024,
};
const CONNECTIONS_MAX = 512;
const TITLES: Readonly<Record<number, string>> = {
  400: "That is not understood",
  401: "A token is needed",
  403: "Not from here",
  404: "Not found",
  405: "Not that way",
  410: "This run has ended",
  500: "Something went wrong here",
  501: "Not possible",
  503: "Too busy",
};

const logger = getLogger(["telebridge", "http"]);

export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void;

export function createHttpServer(
  app: App,
  tls: TlsKeyPair | null,
  onUpgrade: UpgradeHandler,
): http.Server {
  const answer = (request: IncomingMessage, response: ServerResponse) =>
    void handle(app, request, response);
  const server = tls === null
    ? http.createServer(LIMITS, answer)
    : https.createServer({ ...LIMITS, cert: tls.certificatePem, key: tls.privateKeyPem }, answer);
  server.maxConnections = CONNECTIONS_MAX;
  server.on("upgrade", onUpgrade);
  return server;
}

async function handle(app: App, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { host } = request.headers;
  const url = URL.parse(request.url ?? "/", `http://${host}`);
  if (!app.hosts.allowsHost(host) || url === null) {
    response.writeHead(403, { "content-type": "text/plain; charset=utf-8", connection: "close" });
    response.end(
      `this server is not called ${JSON.stringify(host)}; telebridge serve --allow-host NAME\n`,
    );
    return;
  }
  const exchange = new Exchange(request, response, url, accessOf(app, request));
  setSecurityHeaders(app, exchange, host!);
  try {
    if (!app.hosts.allowsOrigin(request.headers.origin, host)) {
      throw new HttpError(403, `a page of ${request.headers.origin} may not talk to this server`);
    }
    await route(app, exchange);
  } catch (error) {
    sendError(app, exchange, error);
  }
}

function setSecurityHeaders(app: App, exchange: Exchange, host: string): void {
  exchange
    .header("content-security-policy", contentSecurityPolicy(app, host))
    .header("x-content-type-options", "nosniff")
    .header("x-frame-options", "DENY")
    .header("referrer-policy", "no-referrer")
    .header("cross-origin-opener-policy", "same-origin")
    // With the line above the page is cross-origin isolated: its clock then ticks in 5 µs instead of 100 µs.
    .header("cross-origin-embedder-policy", "require-corp")
    .header("cross-origin-resource-policy", "same-origin");
}

function sendError(app: App, exchange: Exchange, error: unknown): void {
  const known = error instanceof HttpError;
  if (!known) {
    app.metrics.countError("http");
    logger.error`${exchange.request.method} ${exchange.url.pathname}: ${messageOf(error)}`;
  }
  if (exchange.answered) return;
  const status = known ? error.status : 500;
  const message = known ? error.message : "The server's log says more.";
  const wantsPage = exchange.request.headers.accept?.includes("text/html") ?? false;
  if (!wantsPage) return exchange.json(status, { error: message });
  exchange.header("cache-control", "no-store").send(
    status,
    "text/html; charset=utf-8",
    errorPage(TITLES[status] ?? "Error", message),
  );
}
