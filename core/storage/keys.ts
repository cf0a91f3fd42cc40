/** Keys of rows: run · 2^40 + n, where n counts the run's rows of one kind from 1 in the order of their commits. */

const ROW_BITS = 40n;
const ROWS_MAX = (1n << ROW_BITS) - 1n;

export function keyOf(run: number, n: bigint): bigint {
  return (BigInt(run) << ROW_BITS) | n;
}

/** The largest key that a row of the run can have. */
export function lastKeyOf(run: number): bigint {
  return keyOf(run, ROWS_MAX);
}

export function numberOf(key: bigint): bigint {
  return key & ROWS_MAX;
}
