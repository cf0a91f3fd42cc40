/** What a script gives is looked at where it is given, so that the error is at that line and not at the server. */

import { NAME_BYTES_MAX, TEXT_BYTES_MAX } from "./limits.ts";

const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const MARK = " […]";
// deno-lint-ignore no-control-regex -- these are what it is about
const CONTROL_CHARACTERS = /[\x00-\x1f\x7f]/;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function checkRunId(runId: string): string {
  if (RUN_ID.test(runId) && !runId.endsWith(".via-grpc")) return runId;
  throw new TypeError(
    `the run's name is ${
      JSON.stringify(runId)
    }; expected 1 to 64 of A-Z a-z 0-9 . _ - with a letter or digit first, not ending in ".via-grpc"`,
  );
}

/** A whole number from 0 to 2^64 - 2: the largest stands for none. */
export function wholeNumber(value: number | bigint, what: string): bigint {
  const whole = typeof value === "bigint" ? value : Number.isInteger(value) ? BigInt(value) : -1n;
  if (whole >= 0n && whole < U64_MAX) return whole;
  throw new RangeError(`${what} is ${value}; expected a whole number from 0 to 2^64 - 2`);
}

export function finiteOrNot(value: unknown, what: string): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  throw new TypeError(`${what} is ${JSON.stringify(value)}; expected a number`);
}

/** A series' name or a param's key. */
export function checkName(name: string, what: string): string {
  const bytes = encoder.encode(name).byteLength;
  if (bytes > 0 && bytes <= NAME_BYTES_MAX && !CONTROL_CHARACTERS.test(name)) return name;
  throw new TypeError(
    `${what} is ${
      JSON.stringify(name.slice(0, 80))
    }; expected 1 to ${NAME_BYTES_MAX} bytes without control characters`,
  );
}

/** A text that fits into a message: cut at the limit, at a character's end, with a mark. */
export function boundedText(text: string, bytesMax = TEXT_BYTES_MAX): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  if (whole.length * 3 <= bytesMax) return whole;
  const bytes = encoder.encode(whole);
  if (bytes.byteLength <= bytesMax) return whole;
  let end = bytesMax - encoder.encode(MARK).byteLength;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return decoder.decode(bytes.subarray(0, end)) + MARK;
}

/** "" for nothing; NaN and the infinities, which JSON has not, are texts. */
export function jsonOf(value: unknown, what: string): string {
  if (value === undefined) return "";
  const text = JSON.stringify(value, (_, part) => {
    if (typeof part === "bigint") return part.toString();
    return typeof part === "number" && !Number.isFinite(part) ? String(part) : part;
  });
  if (text === undefined) throw new TypeError(`${what} cannot be said in JSON`);
  if (text.length * 3 > TEXT_BYTES_MAX) {
    throw new RangeError(`${what} is longer than 350,000 characters`);
  }
  return text;
}
