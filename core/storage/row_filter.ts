/** What the bounds of a {@link RowRange} mean for each kind of row, as SQL. */

import type { SQLInputValue } from "node:sqlite";
import type { RowKind } from "./records.ts";
import type { RowRange } from "./store.ts";

/** A condition that a row must meet for each bound, with one `?`. */
type RangeColumns = Partial<Record<keyof RowRange, string>>;

const BY_TIME: RangeColumns = { fromTimeUnixNs: "time_ns >= ?", toTimeUnixNs: "time_ns <= ?" };
/** Rows without a step are outside of every range of steps. */
const BY_STEP: RangeColumns = { fromStep: "step >= ?", toStep: "step <= ?" };

export const RANGES = {
  steps: { ...BY_TIME, ...BY_STEP, fromEpisode: "episode >= ?", toEpisode: "episode <= ?" },
  episodes: {
    fromEpisode: "episode >= ?",
    toEpisode: "episode <= ?",
    fromTimeUnixNs: "end_ns >= ?",
    toTimeUnixNs: "end_ns <= ?",
    fromStep: "first_step + length > ?",
    toStep: "first_step <= ?",
  },
  samples: { ...BY_TIME, ...BY_STEP },
  logs: { ...BY_TIME, ...BY_STEP },
  /** Of sample_block: whether it may have rows of the range. */
  blocks: {
    fromTimeUnixNs: "max_ns >= ?",
    toTimeUnixNs: "min_ns <= ?",
    fromStep: "max_step >= ?",
    toStep: "min_step <= ?",
  },
} satisfies Partial<Record<RowKind | "blocks", RangeColumns>>;

export interface Filter {
  conditions: string[];
  values: SQLInputValue[];
}

export function filterOf(range: RowRange, columns: RangeColumns): Filter {
  const filter: Filter = { conditions: [], values: [] };
  for (const [bound, condition] of Object.entries(columns)) {
    const value = range[bound as keyof RowRange];
    if (value === null || value === undefined) continue;
    filter.conditions.push(condition);
    filter.values.push(value);
  }
  return filter;
}
