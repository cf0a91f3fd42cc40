/** JSON and text for pages, scripts and monitors. */

import type { Access } from "../core/tokens.ts";
import { VERSION } from "../core/version.ts";
import type { App } from "./app.ts";
import { type Exchange, HttpError } from "./exchange.ts";
import { webTransportUrl } from "./pages.ts";

/** The request's access. Throws 401 without a valid token. */
function requireAccess(exchange: Exchange): Access {
  if (exchange.access !== null) return exchange.access;
  throw new HttpError(401, "a token is needed: Authorization: Bearer TOKEN, or the page's cookie");
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

export function runs(app: App, exchange: Exchange): void {
  requireAccess(exchange);
  exchange.json(200, { runs: app.runs() });
}

/** For monitors; needs no token and tells nothing about runs. */
export function health(app: App, exchange: Exchange): void {
  const uptimeSeconds = Math.floor((Date.now() - app.startedAtMs) / 1000);
  exchange.json(200, { state: "ok", version: VERSION, uptimeSeconds });
}

export async function metrics(app: App, exchange: Exchange): Promise<void> {
  requireAccess(exchange);
  const text = await app.metrics.text();
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
