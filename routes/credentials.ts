/** Finds the token that a request carries. */

import type { IncomingMessage } from "node:http";
import type { Access } from "../core/tokens.ts";
import type { App } from "./app.ts";

const BEARER = /^Bearer +([A-Za-z0-9_-]+)$/i;

/** By `Authorization: Bearer`, else by the cookie. */
export function accessOf(app: App, request: IncomingMessage): Access | null {
  const bearer = BEARER.exec(request.headers.authorization ?? "")?.[1];
  const token = bearer ?? cookieOf(request, app.cookieName);
  return token === null ? null : app.authority.accessOf(token);
}

function cookieOf(request: IncomingMessage, name: string): string | null {
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const separator = pair.indexOf("=");
    if (separator > 0 && pair.slice(0, separator).trim() === name) {
      return pair.slice(separator + 1).trim();
    }
  }
  return null;
}

/** The header that makes the browser keep `token`, for this server only and out of scripts' reach. */
export function tokenCookie(app: App, token: string): string {
  const secure = app.tls ? "; Secure" : "";
  return `${app.cookieName}=${token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000${secure}`;
}
