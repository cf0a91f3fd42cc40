/** Parts of a batch's rows, without copying columns. */

import type { RowBatch } from "../core/storage/records.ts";

/** The rows from `from` to `to` (exclusive) as a batch of their own. */
export function sliceBatch(batch: RowBatch, from: number, to: number): RowBatch {
  const part = {
    stream: batch.stream,
    firstSequence: batch.firstSequence + BigInt(from),
    count: to - from,
  };
  switch (batch.kind) {
    case "steps": {
      const { step, timeUnixNs, episode, reward, flags, extraJson } = batch.rows;
      return {
        ...part,
        kind: batch.kind,
        rows: {
          step: step.subarray(from, to),
          timeUnixNs: timeUnixNs.subarray(from, to),
          episode: episode.subarray(from, to),
          reward: reward.subarray(from, to),
          flags: flags.subarray(from, to),
          extraJson: extraJson?.slice(from, to) ?? null,
        },
      };
    }
    case "samples": {
      const { names, series, timeUnixNs, step, value } = batch.rows;
      return {
        ...part,
        kind: batch.kind,
        rows: {
          names,
          series: series.subarray(from, to),
          timeUnixNs: timeUnixNs.subarray(from, to),
          step: step?.subarray(from, to) ?? null,
          value: value.subarray(from, to),
        },
      };
    }
    default:
      return { ...batch, ...part, rows: batch.rows.slice(from, to) } as RowBatch;
  }
}
