/** Columns of 64-bit integers looked at as 32-bit halves: a BigInt for each element costs more than all else is worth. */

type Column = BigUint64Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>;

/** Little-endian: the even ones are the low halves. */
function halvesOf(column: Column): Uint32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = column;
  return new Uint32Array(buffer, byteOffset, length * 2);
}

/** Index of the first element with its highest bit set that is not `except`; -1: there is none. */
export function indexBeyondI64(column: BigUint64Array<ArrayBuffer>, except?: bigint): number {
  const halves = halvesOf(column);
  for (let i = 1; i < halves.length; i += 2) {
    if (halves[i]! > 0x7fff_ffff && column[i >> 1] !== except) return i >> 1;
  }
  return -1;
}

/** The largest element of a column that has one. */
export function largestOf(column: BigInt64Array<ArrayBuffer>): bigint {
  const halves = halvesOf(column);
  let largest = 0;
  let largestHigh = halves[1]! | 0;
  for (let i = 1; i < column.length; i++) {
    const high = halves[2 * i + 1]! | 0; // signed
    if (high < largestHigh) continue;
    if (high > largestHigh || halves[2 * i]! > halves[2 * largest]!) largest = i;
    largestHigh = high;
  }
  return column[largest]!;
}
