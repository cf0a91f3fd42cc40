/** Who may watch, and who may touch. */

import { timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { readPrivateFileIfAny, writePrivateFile } from "./data_dir.ts";
import { UserError } from "./errors.ts";
import { randomBase64Url } from "./random.ts";

/** `view`: commands and input are refused. */
export type Access = "control" | "view";

const TOKEN_BYTES = 32;
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{43}$/;
const TICKET_BYTES = 24;
const TICKET_LIFE_MS = 30_000;
/** Of each access: beyond these its oldest goes, so that those who only watch use up nobody else's. */
const TICKETS_MAX = 1024;

const encoder = new TextEncoder();

/** The token kept in `path`, made at first use; 0600. */
export function loadToken(path: string): string {
  const found = readPrivateFileIfAny(path)?.trim();
  if (found === undefined) {
    const token = randomBase64Url(TOKEN_BYTES);
    writePrivateFile(path, token + "\n");
    return token;
  }
  if (TOKEN_PATTERN.test(found)) return found;
  throw new UserError(`${path} holds no token (43 letters and digits); remove it to get a new one`);
}

export const controlTokenPath = (dataDir: string): string => join(dataDir, "token");
export const viewTokenPath = (dataDir: string): string => join(dataDir, "view-token");

/** Checks tokens, and gives out tickets: secrets of a page's life that open one session each. */
export class Authority {
  readonly #controlToken: Uint8Array;
  readonly #viewToken: Uint8Array | null;
  readonly #nowMs: () => number;
  /** When each ticket ends; in the order in which they were made, so that the oldest come first. */
  readonly #expiriesMs: Readonly<Record<Access, Map<string, number>>> = {
    control: new Map(),
    view: new Map(),
  };

  constructor(
    options: { controlToken: string; viewToken: string | null; nowMs: () => number },
  ) {
    this.#controlToken = encoder.encode(options.controlToken);
    this.#viewToken = options.viewToken === null ? null : encoder.encode(options.viewToken);
    this.#nowMs = options.nowMs;
  }

  /** What a token allows; null for a wrong one. Takes the same time for every token of the right length. */
  accessOf(token: string): Access | null {
    const given = encoder.encode(token);
    if (equal(given, this.#controlToken)) return "control";
    if (this.#viewToken !== null && equal(given, this.#viewToken)) return "view";
    return null;
  }

  /** A ticket for one session, valid for 30 s. */
  issueTicket(access: Access): string {
    const nowMs = this.#nowMs();
    const expiriesMs = this.#expiriesMs[access];
    for (const [ticket, expiresAtMs] of expiriesMs) {
      if (expiresAtMs > nowMs && expiriesMs.size < TICKETS_MAX) break;
      expiriesMs.delete(ticket);
    }
    const ticket = randomBase64Url(TICKET_BYTES);
    expiriesMs.set(ticket, nowMs + TICKET_LIFE_MS);
    return ticket;
  }

  /** Uses a ticket up; null when it is unknown, used or too old. */
  redeemTicket(ticket: string): Access | null {
    for (const access of ["control", "view"] as const) {
      const expiresAtMs = this.#expiriesMs[access].get(ticket);
      if (expiresAtMs === undefined) continue;
      this.#expiriesMs[access].delete(ticket);
      return expiresAtMs > this.#nowMs() ? access : null;
    }
    return null;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
