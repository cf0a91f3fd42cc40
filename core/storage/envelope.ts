/**
 * What charts need of a block without decoding it: for each of its chunks a head, and then of every 64 samples their
 * middle in time, the last step, and the least, greatest and mean value.
 *
 * The head is eight f64: series, number of the axis in the block, samples, first and last time (seconds since 1970),
 * last step (NaN: none), bytes of an element of the columns (4 or 8), 0. Then come five columns, f32 where the values
 * are, else f64: times since the chunk's first, least, greatest, mean, and steps back from the chunk's last one; zeros
 * up to the next multiple of eight bytes. All little-endian.
 */

import type { WindowBuilder } from "./window_builder.ts";

/** Samples of one piece; the last piece of a chunk has what is left. */
export const PIECE_SAMPLES = 64;
const COLUMNS = 5;
const HEAD_NUMBERS = 8;
const HEAD_BYTES = HEAD_NUMBERS * 8;

/** One series in one block. */
export interface ChunkEnvelope {
  series: number;
  /** Number of its axis in the block. */
  axis: number;
  samples: number;
  firstS: number;
  lastS: number;
  /** NaN: there is none. */
  lastStep: number;
  columns: Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;
}

export interface ChunkToTell {
  series: number;
  axis: number;
  firstTimeUnixNs: bigint;
  lastTimeUnixNs: bigint;
  lastStep: bigint | null;
  timeUnixNs: BigInt64Array;
  /** -1 where there is none; null: none has one. */
  step: BigInt64Array | null;
  value: Float64Array;
}

/** One chunk's part; a block's envelope is those of its chunks, one after another. */
export function encodeEnvelope(chunk: ChunkToTell): Uint8Array<ArrayBuffer> {
  const { series, axis, firstTimeUnixNs, lastTimeUnixNs, lastStep, value } = chunk;
  const columns = columnsOf(chunk);
  const bytes = new Uint8Array(HEAD_BYTES + Math.ceil(columns.byteLength / 8) * 8);
  new Float64Array(bytes.buffer, 0, HEAD_NUMBERS).set([
    ...[series, axis, value.length, Number(firstTimeUnixNs) / 1e9, Number(lastTimeUnixNs) / 1e9],
    ...[lastStep === null ? NaN : Number(lastStep), columns.BYTES_PER_ELEMENT, 0],
  ]);
  bytes.set(new Uint8Array(columns.buffer), HEAD_BYTES);
  return bytes;
}

function columnsOf(chunk: ChunkToTell): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> {
  const { firstTimeUnixNs, lastStep, timeUnixNs, step, value } = chunk;
  const pieces = Math.ceil(value.length / PIECE_SAMPLES);
  const columns = new Float64Array(pieces * COLUMNS).fill(NaN);
  let small = true;
  for (let piece = 0; piece < pieces; piece++) {
    const from = piece * PIECE_SAMPLES;
    const to = Math.min(value.length, from + PIECE_SAMPLES);
    const middleNs = (timeUnixNs[from]! + timeUnixNs[to - 1]!) / 2n;
    columns[piece] = Number(middleNs - firstTimeUnixNs) / 1e9;
    if (lastStep !== null && step![to - 1]! >= 0n) {
      columns[4 * pieces + piece] = Number(lastStep - step![to - 1]!);
    }
    let least = Infinity, greatest = -Infinity, sum = 0, numbers = 0;
    for (let i = from; i < to; i++) {
      const number = value[i]!;
      if (number !== number) continue; // NaN
      if (number < least) least = number;
      if (number > greatest) greatest = number;
      sum += number;
      numbers++;
    }
    if (numbers === 0) continue;
    small &&= Math.fround(least) === least && Math.fround(greatest) === greatest;
    columns[pieces + piece] = least;
    columns[2 * pieces + piece] = greatest;
    columns[3 * pieces + piece] = sum / numbers;
  }
  return small ? Float32Array.from(columns) : columns;
}

/** The chunks of a block, from its envelope. */
export function decodeEnvelopes(bytes: Uint8Array<ArrayBuffer>): ChunkEnvelope[] {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const chunks: ChunkEnvelope[] = [];
  for (let at = byteOffset; at < byteOffset + byteLength;) {
    const head = new Float64Array(buffer, at, HEAD_NUMBERS);
    at += HEAD_BYTES;
    const samples = head[2]!;
    const length = Math.ceil(samples / PIECE_SAMPLES) * COLUMNS;
    const columns = head[6] === 4
      ? new Float32Array(buffer, at, length)
      : new Float64Array(buffer, at, length);
    at += Math.ceil(columns.byteLength / 8) * 8;
    chunks.push({
      series: head[0]!,
      axis: head[1]!,
      samples,
      firstS: head[3]!,
      lastS: head[4]!,
      lastStep: head[5]!,
      columns,
    });
  }
  return chunks;
}

/** Adds all of a chunk's pieces. */
export function addEnvelope(builder: WindowBuilder, chunk: ChunkEnvelope): void {
  const { columns, samples, firstS, lastStep } = chunk;
  const pieces = columns.length / COLUMNS;
  for (let piece = 0; piece < pieces; piece++) {
    builder.add(
      firstS + columns[piece]!,
      lastStep - columns[4 * pieces + piece]!,
      columns[pieces + piece]!,
      columns[2 * pieces + piece]!,
      columns[3 * pieces + piece]!,
      piece === pieces - 1 ? samples - piece * PIECE_SAMPLES : PIECE_SAMPLES,
    );
  }
}
