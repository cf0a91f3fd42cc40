/**
 * Columns of samples as bytes, compressed: integers as differences of differences, values as f32 where that is exact,
 * both with their bytes shuffled (all first bytes, then all second ones, …), so that zstd sees like beside like.
 */

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";

const LEVEL = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };

// How a column of integers is written: its first byte.
/** None of the rows has one. */
const INTEGERS_NONE = 0;
/** i64 first, f64 stride: no more is needed. */
const INTEGERS_STRIDE = 1;
/** i64 first, f64 stride, then i32 differences of differences, shuffled. */
const INTEGERS_SECONDS = 2;
/** i64 first, f64 stride (unused), then i64 each, shuffled. */
const INTEGERS_PLAIN = 3;
const COUNT_BYTES = 4;
const HEAD_BYTES = 17;
/** Numbers up to here are exact in f64, and so is the sum of two. */
const EXACT_MAX = 2 ** 52;
const LOW_BITS = 0xfffffn;
const SHUFFLED_F32 = 1;
const SHUFFLED_F64 = 2;

function compress(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return zstdCompressSync(bytes, LEVEL) as Uint8Array<ArrayBuffer>;
}

function shuffle(bytes: Uint8Array, width: number, into: Uint8Array): void {
  const count = bytes.length / width;
  for (let plane = 0; plane < width; plane++) {
    const start = plane * count;
    for (let i = 0, at = plane; i < count; i++, at += width) into[start + i] = bytes[at]!;
  }
}

function unshuffle(bytes: Uint8Array, width: number, into: Uint8Array): void {
  const count = into.length / width;
  for (let plane = 0; plane < width; plane++) {
    const start = plane * count;
    for (let i = 0, at = plane; i < count; i++, at += width) into[at] = bytes[start + i]!;
  }
}

/** The four planes of a column of u32, put together: twice as fast as byte by byte. */
function unshuffleWords(bytes: Uint8Array, count: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(count);
  const second = count, third = 2 * count, fourth = 3 * count;
  for (let i = 0; i < count; i++) {
    words[i] = bytes[i]! | bytes[second + i]! << 8 | bytes[third + i]! << 16 |
      bytes[fourth + i]! << 24;
  }
  return words;
}

/** Values, bit by bit but for the payload of a NaN. */
export function encodeValues(values: Float64Array): Uint8Array<ArrayBuffer> {
  const small = Float32Array.from(values);
  const exact = values.every((value, i) => value === small[i] || Number.isNaN(value));
  const source = exact ? small : values;
  const plain = new Uint8Array(1 + source.byteLength);
  plain[0] = exact ? SHUFFLED_F32 : SHUFFLED_F64;
  shuffle(
    new Uint8Array(source.buffer, source.byteOffset, source.byteLength),
    source.BYTES_PER_ELEMENT,
    plain.subarray(1),
  );
  return compress(plain);
}

/** What {@link encodeValues} wrote. */
export function decodeValues(bytes: Uint8Array): Float32Array | Float64Array {
  const plain = zstdDecompressSync(bytes);
  const shuffled = plain.subarray(1);
  if (plain[0] === SHUFFLED_F32) {
    return new Float32Array(unshuffleWords(shuffled, shuffled.length / 4).buffer);
  }
  const values = new Float64Array(shuffled.length / 8);
  unshuffle(shuffled, 8, new Uint8Array(values.buffer));
  return values;
}

/** A column of integers of up to 64 bits. */
export interface Integers {
  first: bigint;
  /** Each one minus the first; null where that is not exact. */
  offsets: Float64Array<ArrayBuffer> | null;
  /** The integers themselves where `offsets` is null. */
  plain: BigInt64Array<ArrayBuffer> | null;
}

/** Each rounded once, as `Number` does it, so that a time compares with a bound as it should. */
export function toNumbers({ first, offsets, plain }: Integers): Float64Array<ArrayBuffer> {
  if (offsets === null) return Float64Array.from(plain!, Number);
  const low = first & LOW_BITS;
  const highNumber = Number(first - low); // exact: at most 44 bits
  const lowNumber = Number(low);
  return offsets.map((offset) => highNumber + (lowNumber + offset));
}

/** The integer in this place. */
export function integerAt({ first, offsets, plain }: Integers, i: number): bigint {
  return offsets === null ? plain![i]! : first + BigInt(offsets[i]!);
}

/** Where samples of a chunk stand, in the order of their commits. */
export interface Axis {
  count: number;
  timeUnixNs: Integers;
  /** Null: none has a step. -1: this one has none. */
  step: Integers | null;
  /** Row of the block, relative to that of the axis' first sample. */
  place: Integers;
}

export function encodeAxis(
  timeUnixNs: BigInt64Array,
  step: BigInt64Array | null,
  place: BigInt64Array,
): Uint8Array<ArrayBuffer> {
  const columns = [timeUnixNs, step, place].map(encodeIntegers);
  const bytesCount = columns.reduce((sum, column) => sum + column.length, COUNT_BYTES);
  const plain = new Uint8Array(bytesCount);
  new DataView(plain.buffer).setUint32(0, timeUnixNs.length, true);
  let at = COUNT_BYTES;
  for (const column of columns) {
    plain.set(column, at);
    at += column.length;
  }
  return compress(plain);
}

/** What {@link encodeAxis} wrote. */
export function decodeAxis(bytes: Uint8Array): Axis {
  const plain = zstdDecompressSync(bytes);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const count = view.getUint32(0, true);
  let at = COUNT_BYTES;
  const next = () => {
    const { integers, bytesCount } = decodeIntegers(plain.subarray(at), count);
    at += bytesCount;
    return integers;
  };
  return { count, timeUnixNs: next()!, step: next(), place: next()! };
}

function encodeIntegers(values: BigInt64Array | null): Uint8Array {
  if (values === null) return Uint8Array.of(INTEGERS_NONE);
  const count = values.length;
  const first = values[0]!;
  const seconds = new Int32Array(count);
  const stride = count > 1 ? Number(values[1]! - first) : 0;
  let exact = Math.abs(stride) < EXACT_MAX;
  let constant = true;
  for (let i = 2, difference = stride, offset = stride; i < count && exact; i++) {
    const next = Number(values[i]! - values[i - 1]!);
    const second = next - difference;
    seconds[i] = second;
    offset += next;
    exact = seconds[i] === second && Math.abs(offset) < EXACT_MAX;
    constant &&= second === 0;
    difference = next;
  }
  const source = !exact ? values : constant ? null : seconds;
  const bytes = new Uint8Array(HEAD_BYTES + (source?.byteLength ?? 0));
  const view = new DataView(bytes.buffer);
  bytes[0] = !exact ? INTEGERS_PLAIN : constant ? INTEGERS_STRIDE : INTEGERS_SECONDS;
  view.setBigInt64(1, first, true);
  view.setFloat64(9, stride, true);
  if (source !== null) {
    shuffle(
      new Uint8Array(source.buffer, source.byteOffset, source.byteLength),
      source.BYTES_PER_ELEMENT,
      bytes.subarray(HEAD_BYTES),
    );
  }
  return bytes;
}

function decodeIntegers(
  bytes: Uint8Array,
  count: number,
): { integers: Integers | null; bytesCount: number } {
  const kind = bytes[0];
  if (kind === INTEGERS_NONE) return { integers: null, bytesCount: 1 };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = view.getBigInt64(1, true);
  const column = bytes.subarray(HEAD_BYTES);
  if (kind === INTEGERS_PLAIN) {
    const plain = new BigInt64Array(count);
    unshuffle(column, 8, new Uint8Array(plain.buffer));
    return { integers: { first, offsets: null, plain }, bytesCount: HEAD_BYTES + 8 * count };
  }
  const offsets = new Float64Array(count);
  let difference = view.getFloat64(9, true);
  if (kind === INTEGERS_STRIDE) {
    for (let i = 1; i < count; i++) offsets[i] = i * difference;
    return { integers: { first, offsets, plain: null }, bytesCount: HEAD_BYTES };
  }
  const seconds = new Int32Array(unshuffleWords(column, count).buffer);
  for (let i = 1, offset = 0; i < count; i++) {
    difference += seconds[i]!;
    offset += difference;
    offsets[i] = offset;
  }
  return {
    integers: { first, offsets, plain: null },
    bytesCount: HEAD_BYTES + 4 * count,
  };
}
