/** Runs as people and programs read them. */

import type { RunRecord } from "../../core/storage/records.ts";
import type { StoreReader } from "../../core/storage/store.ts";

const NS_PER_MS = 1_000_000n;
const UNITS: readonly [name: string, ms: number][] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];
const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** RFC 3339, in UTC; null for 0, which stands for none. */
export function isoTime(timeUnixNs: bigint): string | null {
  return timeUnixNs === 0n ? null : new Date(Number(timeUnixNs / NS_PER_MS)).toISOString();
}

/** "3 h", "45 s": the largest unit that fits. */
function inOneUnit(ms: number): string {
  const [name, unitMs] = UNITS.find(([, unitMs]) => ms >= unitMs) ?? UNITS.at(-1)!;
  return `${Math.max(0, Math.floor(ms / unitMs))} ${name}`;
}

/** "3 h 20 min", "45 s": the two largest units. */
export function duration(ms: number): string {
  const at = UNITS.findIndex(([, unitMs]) => ms >= unitMs);
  const next = UNITS[at + 1];
  if (at < 0 || next === undefined) return inOneUnit(ms);
  const rest = ms % UNITS[at]![1];
  return rest < next[1]
    ? inOneUnit(ms)
    : `${inOneUnit(ms)} ${Math.floor(rest / next[1])} ${next[0]}`;
}

export function ago(timeUnixNs: bigint, nowMs: number): string {
  const ms = nowMs - Number(timeUnixNs / NS_PER_MS);
  return ms < 0 ? "just now" : `${inOneUnit(ms)} ago`;
}

/** From its start to its end, or to its newest row. */
export function durationOf({ startTimeUnixNs, endTimeUnixNs, lastTimeUnixNs }: RunRecord): string {
  const endUnixNs = endTimeUnixNs || lastTimeUnixNs;
  return endUnixNs === 0n ? "" : duration(Number((endUnixNs - startTimeUnixNs) / NS_PER_MS));
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

export function bytes(value: bigint): string {
  let size = Number(value);
  let unit = 0;
  for (; size >= 1024 && unit < BINARY_UNITS.length - 1; unit++) size /= 1024;
  return `${unit === 0 ? size : size.toFixed(1)} ${BINARY_UNITS[unit]}`;
}

/** What could forge a line or command a terminal, made visible: tags and notes come from anywhere. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- these are what it is about
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

export function rowsTotal(run: Pick<RunRecord, "counts">): number {
  return Object.values(run.counts).reduce((sum, rows) => sum + rows, 0);
}

/** With --json. */
export function runJson(run: RunRecord): Record<string, unknown> {
  return {
    run_id: run.runId,
    state: run.state,
    start_time: isoTime(run.startTimeUnixNs),
    last_row_time: isoTime(run.lastTimeUnixNs),
    end_time: isoTime(run.endTimeUnixNs),
    tags: run.tags,
    note: run.note,
    reason: run.reason,
    rows: run.counts,
  };
}

/** The same and all that is small. Numbers that JSON does not have are strings, as in a replay. */
export function detailsJson(reader: StoreReader, run: RunRecord): Record<string, unknown> {
  return {
    ...runJson(run),
    metadata: run.metadataJson === "" ? {} : JSON.parse(run.metadataJson),
    params: Object.fromEntries(
      reader.params(run.runId).map(({ key, valueJson }) => [key, JSON.parse(valueJson)]),
    ),
    series: reader.series(run.runId).map(({ name, samples, lastValue }) => ({
      name,
      samples,
      last_value: Number.isFinite(lastValue) ? lastValue : String(lastValue),
    })),
    checkpoints: reader.checkpoints(run.runId).map((row) => ({
      name: row.name,
      time: isoTime(row.timeUnixNs),
      step: row.step === null ? null : Number(row.step),
      size_bytes: Number(row.sizeBytes),
      sha256: row.sha256,
    })),
  };
}
