/**
 * What a chart needs of a chunk without decoding it: of every 64 samples their middle in time, the last step, and the
 * least, greatest and mean value. Five columns one after another, little-endian: f32 where the values are, else f64.
 * Times are seconds since the chunk's first, steps are told from the chunk's last one backwards.
 */

import type { WindowBuilder } from "./window_builder.ts";

/** Samples of one piece; the last piece of a chunk has what is left. */
export const PIECE_SAMPLES = 64;
const COLUMNS = 5;

/** Times and values in the order of their commits; `step`: -1 where there is none. */
export function encodeEnvelope(
  timeUnixNs: BigInt64Array,
  step: BigInt64Array | null,
  values: Float64Array,
  { firstTimeUnixNs, lastStep }: { firstTimeUnixNs: bigint; lastStep: bigint | null },
): Uint8Array {
  const pieces = Math.ceil(values.length / PIECE_SAMPLES);
  const exact = new Float64Array(pieces * COLUMNS).fill(NaN);
  let small = true;
  for (let piece = 0; piece < pieces; piece++) {
    const from = piece * PIECE_SAMPLES;
    const to = Math.min(values.length, from + PIECE_SAMPLES);
    const middleNs = (timeUnixNs[from]! + timeUnixNs[to - 1]!) / 2n;
    exact[piece] = Number(middleNs - firstTimeUnixNs) / 1e9;
    if (lastStep !== null && step![to - 1]! >= 0n) {
      exact[4 * pieces + piece] = Number(lastStep - step![to - 1]!);
    }
    let least = Infinity, greatest = -Infinity, sum = 0, numbers = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      if (value !== value) continue; // NaN
      if (value < least) least = value;
      if (value > greatest) greatest = value;
      sum += value;
      numbers++;
    }
    if (numbers === 0) continue;
    small &&= Math.fround(least) === least && Math.fround(greatest) === greatest;
    exact[pieces + piece] = least;
    exact[2 * pieces + piece] = greatest;
    exact[3 * pieces + piece] = sum / numbers;
  }
  return new Uint8Array((small ? Float32Array.from(exact) : exact).buffer);
}

/** Adds all of its pieces. */
export function addEnvelope(
  builder: WindowBuilder,
  bytes: Uint8Array<ArrayBuffer>,
  { samples, firstS, lastStep }: { samples: number; firstS: number; lastStep: number },
): void {
  const pieces = Math.ceil(samples / PIECE_SAMPLES);
  const buffer = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const columnsOf = bytes.length === pieces * COLUMNS * 4 ? Float32Array : Float64Array;
  const columns = new columnsOf(buffer.buffer, buffer.byteOffset, pieces * COLUMNS);
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
