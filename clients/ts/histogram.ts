/** Counts between edges. */

/** n counts between n + 1 ascending edges. */
export interface Histogram {
  edges: readonly number[];
  counts: readonly (number | bigint)[];
}

const BINS_MAX = 4096;

/** Values are counted into bins of equal width; those that are not finite are left out. Throws for what is none. */
export function histogramOf(
  given: Histogram | ArrayLike<number>,
  bins: number,
): { edges: number[]; counts: bigint[] } {
  if (!("edges" in given)) return counted(given, bins);
  const { edges, counts } = given;
  const isAscending = edges.every((edge, index) => index === 0 || edge > edges[index - 1]!);
  if (counts.length < 1 || counts.length > BINS_MAX || edges.length !== counts.length + 1) {
    throw new RangeError(
      `a histogram of ${edges.length} edges and ${counts.length} counts; expected one edge more than counts, ${BINS_MAX} at most`,
    );
  }
  if (!isAscending) throw new RangeError("the histogram's edges do not ascend");
  return { edges: [...edges], counts: counts.map(BigInt) };
}

function counted(
  values: ArrayLike<number>,
  bins: number,
): { edges: number[]; counts: bigint[] } {
  if (!Number.isInteger(bins) || bins < 1 || bins > BINS_MAX) {
    throw new RangeError(`bins is ${bins}; expected 1 to ${BINS_MAX}`);
  }
  let [least, greatest] = [Infinity, -Infinity];
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (!Number.isFinite(value)) continue;
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
  }
  if (least > greatest) throw new RangeError("a histogram of no finite value");
  // One value alone gets a bin around it.
  if (least === greatest) [least, greatest] = [least - 0.5, greatest + 0.5];
  const width = (greatest - least) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (!Number.isFinite(value)) continue;
    const bin = Math.min(bins - 1, Math.floor((value - least) / width));
    counts[bin] = counts[bin]! + 1;
  }
  const edges = Array.from({ length: bins + 1 }, (_, edge) => least + edge * width);
  return { edges, counts: counts.map(BigInt) };
}
