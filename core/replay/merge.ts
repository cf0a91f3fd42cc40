/** Sources of rows merged by time. */

import type { RowSource, Slice } from "./source.ts";

/** Rows of all sources in order of time; of equal times those of the source that stands first. */
export function* mergeByTime(sources: readonly RowSource[]): Generator<Slice> {
  while (true) {
    let first: RowSource | null = null;
    let firstRank = 0;
    let firstUnixNs = 0n;
    /** The earliest row of the others, and what it means for the first's of the same time. */
    let otherUnixNs: bigint | null = null;
    let otherRank = 0;
    for (const [rank, source] of sources.entries()) {
      const headUnixNs = source.head();
      if (headUnixNs === null) continue;
      if (first === null || headUnixNs < firstUnixNs) {
        if (first !== null) [otherUnixNs, otherRank] = [firstUnixNs, firstRank];
        [first, firstRank, firstUnixNs] = [source, rank, headUnixNs];
      } else if (otherUnixNs === null || headUnixNs < otherUnixNs) {
        [otherUnixNs, otherRank] = [headUnixNs, rank];
      }
    }
    if (first === null) return;
    yield first.take(
      otherUnixNs === null || firstRank < otherRank ? otherUnixNs : otherUnixNs - 1n,
    );
  }
}
