/** The runs page and the run page: shells that the islands fill. */

import type { App } from "./app.ts";
import { tokenCookie } from "./credentials.ts";
import type { Exchange } from "./exchange.ts";
import { escapeHtml, scriptJson } from "./html.ts";
import { continuePage, NOTICE_STYLE_HASH, signInPage } from "./notice_page.ts";

const HTML = "text/html; charset=utf-8";

/** Scripts come from us alone; connections go to us alone, WebTransport's port included. */
export function contentSecurityPolicy(app: App, hostHeader: string): string {
  const scheme = app.tls ? "wss" : "ws";
  const connections = ["'self'", `${scheme}://${hostHeader}`];
  const webTransport = webTransportUrl(app, hostHeader);
  if (webTransport !== null) connections.push(new URL(webTransport).origin);
  return [
    "default-src 'none'",
    "script-src 'self'",
    "worker-src 'self'",
    `style-src 'self' ${NOTICE_STYLE_HASH}`,
    "img-src 'self' data: blob:",
    "font-src 'self'",
    `connect-src ${connections.join(" ")}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** WebTransport's URL under the name that the browser used; null while it cannot be had. */
export function webTransportUrl(app: App, hostHeader: string): string | null {
  const offer = app.webTransport();
  if (offer === null) return null;
  const { hostname } = new URL(`http://${hostHeader}`);
  // A browser may try ::1 for this name, where QUIC has no quick refusal as TCP has.
  const reachable = hostname === "localhost" ? offer.loopbackHost : hostname;
  return `https://${reachable}:${offer.port}/live`;
}

/**
 * Lets a browser with a token in `?token=` in: sets the cookie and leads to the URL without the token. Asks one without
 * any for it. Returns whether the page itself may be sent.
 */
export function admit(app: App, exchange: Exchange): boolean {
  const { url } = exchange;
  const token = url.searchParams.get("token");
  if (token !== null && app.authority.accessOf(token) !== null) {
    url.searchParams.delete("token");
    const target = url.pathname + url.search;
    exchange.header("set-cookie", tokenCookie(app, token));
    // A redirect that began on another site would not carry a strict cookie; a page of ours that goes on does.
    if (exchange.request.headers["sec-fetch-site"] === "cross-site") {
      exchange.header("cache-control", "no-store").send(200, HTML, continuePage(target));
    } else {
      exchange.redirect(target);
    }
    return false;
  }
  if (exchange.access !== null) return true;
  exchange.header("cache-control", "no-store").send(
    401,
    HTML,
    signInPage(url.pathname, token !== null),
  );
  return false;
}

function shell(app: App, title: string, island: string, props: unknown): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="${app.assets.url("favicon.svg")}">
<link rel="stylesheet" href="${app.assets.url("style.css")}">
<script type="application/json" id="props">${scriptJson(props)}</script>
<script type="module" src="${app.assets.url("main.js")}"></script>
</head>
<body><div data-island="${island}"></div>
<noscript>telebridge draws with JavaScript; please allow it for this page.</noscript></body>
</html>
`;
}

export function runsPage(app: App, exchange: Exchange): void {
  if (!admit(app, exchange)) return;
  exchange.header("cache-control", "no-store").send(
    200,
    HTML,
    shell(app, "telebridge", "runs", {}),
  );
}

export function runPage(app: App, exchange: Exchange, run: string): void {
  if (!admit(app, exchange)) return;
  const page = shell(app, `${run} · telebridge`, "run", { run });
  exchange.header("cache-control", "no-store").send(200, HTML, page);
}
