/** Limits of texts in rows. */

import { InvalidRows } from "./reader.ts";

export const EXTRA_JSON_CHARS_MAX = 64 * 1024;
export const LOG_TEXT_CHARS_MAX = 1024 * 1024;
export const NAME_CHARS_MAX = 1024;
export const PARAM_JSON_CHARS_MAX = 1024 * 1024;

export function checkText(what: string, text: string, charsMax: number): void {
  if (text.length > charsMax) {
    throw new InvalidRows(`${what} has ${text.length} characters, it may have ${charsMax}`);
  }
}

/** Throws unless `json` is "" or an object. */
export function checkJsonObject(what: string, json: string, charsMax: number): void {
  if (json === "") return;
  const value = parse(what, json, charsMax);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InvalidRows(`${what} is JSON, but no object`);
  }
}

export function checkJson(what: string, json: string, charsMax: number): void {
  parse(what, json, charsMax);
}

function parse(what: string, json: string, charsMax: number): unknown {
  checkText(what, json, charsMax);
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidRows(`${what} is no JSON`);
  }
}
