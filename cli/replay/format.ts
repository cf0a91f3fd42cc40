/** What rows are written as. docs/replay.md has every record's fields. */

import type { RowKind } from "../../core/storage/records.ts";
import type { Slice } from "../../core/replay/source.ts";

export interface RowFormat {
  /** What stands before the first row. */
  readonly header: string;
  /** Rows `from` to `to` (exclusive) of a slice. */
  encode(slice: Slice): string | Uint8Array<ArrayBuffer>;
}

/** `type` of a record. */
export const TYPES = {
  steps: "step",
  episodes: "episode",
  samples: "sample",
  logs: "log",
  params: "params",
  histograms: "histogram",
  checkpoints: "checkpoint",
} as const satisfies Record<RowKind, string>;

export const LEVELS = ["info", "debug", "info", "warning", "error"];

export const TERMINATED = 1;
export const TRUNCATED = 2;

/** JSON that was stored, on one line; null for none. Text that is no JSON, were there any, becomes a string. */
export function storedJson(text: string): string {
  if (text === "") return "null";
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify(text);
  }
  // Outside of its strings JSON has line breaks as mere space, and inside none.
  return text.replaceAll(/[\r\n]+/g, " ");
}
