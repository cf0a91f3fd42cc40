/** Where a replay starts and ends, as a person writes it: `step:100`, `episode:3`, a time, `+30s`, `-5m`. */

import { UserError } from "../errors.ts";

export type Point =
  | { by: "step"; step: bigint }
  | { by: "episode"; episode: bigint }
  | { by: "time"; timeUnixNs: bigint }
  /** After the run's start. */
  | { by: "start"; afterNs: bigint }
  /** Before its newest row. */
  | { by: "end"; beforeNs: bigint };

export const POINT_SYNTAX =
  "step:N, episode:N, a time such as 2026-11-21T10:00:00Z (without a zone: local time), @SECONDS since 1970, " +
  "+30s after the run's start, or -5m before its newest row (units: ms, s, m, h, d)";

const NS_PER_MS = 1_000_000n;
const U64_MAX = 2n ** 64n - 1n;
const UNIT_NS: Readonly<Record<string, bigint>> = {
  ms: NS_PER_MS,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};

const COUNTED = /^(step|episode):(\d{1,20})$/;
const DURATION = /^([+-])(\d{1,12})(?:\.(\d{1,9}))?(ms|s|m|h|d)$/;
const UNIX_SECONDS = /^@(\d{1,10})(?:\.(\d{1,9}))?$/;
/** RFC 3339, whose time, fraction and zone may be left out. */
const DATE_TIME =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?([Zz]|[+-]\d{2}:\d{2})?)?$/;

/** Throws {@link UserError} that names `option`. */
export function parsePoint(option: string, text: string): Point {
  const point = countedPoint(text) ?? durationPoint(text) ?? timePoint(text);
  if (point !== null) return point;
  throw new UserError(`${option} is "${text}", expected ${POINT_SYNTAX}`);
}

/** Whether the end is before the start, as far as the two can be compared before they are looked for. */
export function isReversed(from: Point, to: Point): boolean {
  if (from.by === "step" && to.by === "step") return to.step < from.step;
  if (from.by === "episode" && to.by === "episode") return to.episode < from.episode;
  if (from.by === "time" && to.by === "time") return to.timeUnixNs < from.timeUnixNs;
  if (from.by === "start" && to.by === "start") return to.afterNs < from.afterNs;
  return from.by === "end" && to.by === "end" && to.beforeNs > from.beforeNs;
}

function countedPoint(text: string): Point | null {
  const [, by, digits] = COUNTED.exec(text) ?? [];
  if (digits === undefined || BigInt(digits) > U64_MAX) return null;
  return by === "step"
    ? { by: "step", step: BigInt(digits) }
    : { by: "episode", episode: BigInt(digits) };
}

function durationPoint(text: string): Point | null {
  const [, sign, whole, fraction = "", unit] = DURATION.exec(text) ?? [];
  if (whole === undefined) return null;
  const ns = (BigInt(whole + fraction) * UNIT_NS[unit!]!) / 10n ** BigInt(fraction.length);
  return sign === "+" ? { by: "start", afterNs: ns } : { by: "end", beforeNs: ns };
}

function timePoint(text: string): Point | null {
  const [, seconds, secondsFraction] = UNIX_SECONDS.exec(text) ?? [];
  if (seconds !== undefined) {
    return { by: "time", timeUnixNs: BigInt(seconds) * UNIT_NS.s! + fractionNs(secondsFraction) };
  }
  const [, date, time = "00:00", second = "00", fraction, zone = ""] = DATE_TIME.exec(text) ?? [];
  if (date === undefined) return null;
  const ms = Date.parse(`${date}T${time}:${second}${zone.toUpperCase()}`);
  if (Number.isNaN(ms)) return null;
  return { by: "time", timeUnixNs: BigInt(ms) * NS_PER_MS + fractionNs(fraction) };
}

function fractionNs(digits: string | undefined): bigint {
  return BigInt((digits ?? "").padEnd(9, "0"));
}
