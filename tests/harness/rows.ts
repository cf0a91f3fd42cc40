/** Batches of rows for tests of the store. */

import { NO_STEP, type RowBatch, type StreamKey } from "../../core/storage/records.ts";

export const START_UNIX_NS = 1_800_000_000_000_000_001n;
export const MS = 1_000_000n;

export function streamOf(runId: string, number = 1): StreamKey {
  return { runId, streamId: number.toString(16).padStart(32, "0") };
}

/** Steps from sequence `first` on: step n is the row with sequence n, at n ms, reward n / 2. */
export function stepBatch(stream: StreamKey, first: number, count: number): RowBatch {
  const numbers = Array.from({ length: count }, (_, i) => BigInt(first + i));
  return {
    kind: "steps",
    stream,
    firstSequence: BigInt(first),
    count,
    rows: {
      step: BigUint64Array.from(numbers),
      timeUnixNs: BigInt64Array.from(numbers, (n) => START_UNIX_NS + n * MS),
      episode: BigUint64Array.from(numbers, (n) => n / 100n),
      reward: Float64Array.from(numbers, (n) => Number(n) / 2),
      flags: Uint8Array.from(numbers, (n) => n % 100n === 99n ? 1 : 0),
      extraJson: null,
    },
  };
}

export interface SampleOfTest {
  series: string;
  timeUnixNs: bigint;
  step: bigint | null;
  value: number;
}

export function sampleBatch(
  stream: StreamKey,
  first: number,
  samples: readonly SampleOfTest[],
): RowBatch {
  const names = [...new Set(samples.map(({ series }) => series))];
  return {
    kind: "samples",
    stream,
    firstSequence: BigInt(first),
    count: samples.length,
    rows: {
      names,
      series: Uint32Array.from(samples, ({ series }) => names.indexOf(series)),
      timeUnixNs: BigInt64Array.from(samples, ({ timeUnixNs }) => timeUnixNs),
      step: BigUint64Array.from(samples, ({ step }) => step ?? NO_STEP),
      value: Float64Array.from(samples, ({ value }) => value),
    },
  };
}

/** `count` samples of `series` taken in turns: number n at n ms, step n, value n as a float32. */
export function sampleRun(
  series: readonly string[],
  first: number,
  count: number,
): SampleOfTest[] {
  return Array.from({ length: count }, (_, i) => ({
    series: series[(first + i - 1) % series.length]!,
    timeUnixNs: START_UNIX_NS + BigInt(first + i) * MS,
    step: BigInt(first + i),
    value: Math.fround(Math.sin((first + i) / 100)),
  }));
}
