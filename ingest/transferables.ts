/** Columns go between threads by their memory, not as copies. */

import type { RowBatch } from "../core/storage/records.ts";

/** The buffers of all columns of these batches, each once. */
export function transferablesOf(batches: readonly RowBatch[]): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const batch of batches) {
    if (batch.kind !== "steps" && batch.kind !== "samples") continue;
    for (const column of Object.values(batch.rows)) {
      if (ArrayBuffer.isView(column)) buffers.add(column.buffer as ArrayBuffer);
    }
  }
  return [...buffers];
}
