/** Reads blocks of compacted samples (compactor.ts) and puts their rows back into the order of their commits. */

import { type Axis, decodeAxis, decodeValues, integerAt } from "./chunk_codec.ts";

export interface BlockRows {
  /** Of the first row. */
  firstNumber: number;
  /** The database's number of each row's series. */
  series: Uint32Array;
  timeUnixNs: BigInt64Array;
  /** -1 where there is none. */
  step: BigInt64Array;
  value: Float64Array;
}

export interface StoredChunk {
  series: number;
  axis: bigint;
  /** Row of its first sample, from 0. */
  place: number;
  value: Uint8Array;
}

export function blockRows(
  firstNumber: number,
  rows: number,
  chunks: readonly StoredChunk[],
  axisBytes: ReadonlyMap<bigint, Uint8Array>,
): BlockRows {
  const block: BlockRows = {
    firstNumber,
    series: new Uint32Array(rows),
    timeUnixNs: new BigInt64Array(rows),
    step: new BigInt64Array(rows).fill(-1n),
    value: new Float64Array(rows),
  };
  const axes = new Map<bigint, Axis>();
  for (const [key, bytes] of axisBytes) axes.set(key, decodeAxis(bytes));
  for (const { series, axis: axisKey, place, value: bytes } of chunks) {
    const axis = axes.get(axisKey)!;
    const values = decodeValues(bytes);
    for (let i = 0; i < axis.count; i++) {
      const row = place + Number(integerAt(axis.place, i));
      block.series[row] = series;
      block.timeUnixNs[row] = integerAt(axis.timeUnixNs, i);
      if (axis.step !== null) block.step[row] = integerAt(axis.step, i);
      block.value[row] = values[i]!;
    }
  }
  return block;
}
