/** One MessagePack map a row, with the keys of the JSON records. Integers beyond 32 bits are its int64 and uint64. */

import { Encoder } from "@msgpack/msgpack";
import { NO_STEP } from "../../core/storage/records.ts";
import type { Slice } from "../../core/replay/source.ts";
import { LEVELS, type RowFormat, storedJson, TERMINATED, TRUNCATED, TYPES } from "./format.ts";

export class MessagePack implements RowFormat {
  readonly header = "";
  readonly #encoder = new Encoder({ useBigInt64: true });

  encode(slice: Slice): Uint8Array<ArrayBuffer> {
    const records: Uint8Array[] = [];
    let bytesCount = 0;
    for (let at = slice.from; at < slice.to; at++) {
      const bytes = this.#encoder.encode({ type: TYPES[slice.kind], ...record(slice, at) });
      records.push(bytes);
      bytesCount += bytes.length;
    }
    const joined = new Uint8Array(bytesCount);
    let offset = 0;
    for (const bytes of records) {
      joined.set(bytes, offset);
      offset += bytes.length;
    }
    return joined;
  }
}

function record({ kind, rows }: Slice, at: number): Record<string, unknown> {
  switch (kind) {
    case "steps": {
      const flags = rows.flags[at]!;
      return {
        time_unix_ns: rows.timeUnixNs[at],
        step: integer(rows.step[at]!),
        episode: integer(rows.episode[at]!),
        reward: rows.reward[at],
        terminated: (flags & TERMINATED) !== 0,
        truncated: (flags & TRUNCATED) !== 0,
        ...extra(rows.extraJson?.[at] ?? ""),
      };
    }
    case "samples":
      return {
        time_unix_ns: rows.timeUnixNs[at],
        series: rows.names[rows.series[at]!],
        step: step(rows.step?.[at] ?? null),
        value: rows.value[at],
      };
    case "episodes": {
      const row = rows[at]!;
      return {
        time_unix_ns: row.endTimeUnixNs,
        episode: integer(row.episode),
        start_time_unix_ns: row.startTimeUnixNs,
        first_step: integer(row.firstStep),
        length: integer(row.length),
        return: row.episodeReturn,
        terminated: row.terminated,
        truncated: row.truncated,
        ...extra(row.extraJson),
      };
    }
    case "logs": {
      const row = rows[at]!;
      return {
        time_unix_ns: row.timeUnixNs,
        level: LEVELS[row.level],
        source: row.source,
        text: row.text,
        step: step(row.step),
      };
    }
    case "params": {
      const { timeUnixNs, key, valueJson } = rows[at]!;
      return { time_unix_ns: timeUnixNs, values: { [key]: stored(valueJson) } };
    }
    case "histograms": {
      const row = rows[at]!;
      return {
        time_unix_ns: row.timeUnixNs,
        series: row.series,
        step: step(row.step),
        edges: Array.from(row.edges),
        counts: Array.from(row.counts, integer),
      };
    }
    case "checkpoints": {
      const row = rows[at]!;
      return {
        time_unix_ns: row.timeUnixNs,
        name: row.name,
        step: step(row.step),
        size_bytes: integer(row.sizeBytes),
        sha256: row.sha256,
        metadata: stored(row.metadataJson),
      };
    }
  }
}

/** A number where it is exact: those are the shorter. */
function integer(value: bigint): number | bigint {
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

function step(value: bigint | null): number | bigint | null {
  return value === null || value === NO_STEP ? null : integer(value);
}

/** A field for rows that have one, and nothing for the others. */
function extra(json: string): { extra?: unknown } {
  return json === "" ? {} : { extra: stored(json) };
}

function stored(json: string): unknown {
  return JSON.parse(storedJson(json));
}
