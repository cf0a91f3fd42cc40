/** Pages of rows of any kind, as something that can be counted, told the time, joined and put into another order. */

import {
  type CheckpointRow,
  type EpisodeRow,
  type HistogramRow,
  type LogRow,
  NO_STEP,
  type ParamRow,
  type RowKind,
  type RowsByKind,
  type SampleColumns,
  type StepColumns,
} from "../storage/records.ts";

interface RowsOf<Rows> {
  timesUnixNs(rows: Rows): BigInt64Array;
  /** The rows at `indexes` of `first` followed by `second`, in that order. */
  gather(first: Rows, second: Rows, indexes: Uint32Array): Rows;
}

type Column = BigUint64Array | BigInt64Array | Float64Array | Uint32Array | Uint8Array;

export const ROWS: { readonly [Kind in RowKind]: RowsOf<RowsByKind[Kind]> } = {
  steps: { timesUnixNs: ({ timeUnixNs }) => timeUnixNs, gather: gatherSteps },
  samples: { timesUnixNs: ({ timeUnixNs }) => timeUnixNs, gather: gatherSamples },
  // An episode is known when it has ended.
  episodes: listOf<EpisodeRow>((row) => row.endTimeUnixNs),
  logs: listOf<LogRow>((row) => row.timeUnixNs),
  params: listOf<ParamRow>((row) => row.timeUnixNs),
  histograms: listOf<HistogramRow>((row) => row.timeUnixNs),
  checkpoints: listOf<CheckpointRow>((row) => row.timeUnixNs),
};

function listOf<Row>(timeOf: (row: Row) => bigint): RowsOf<Row[]> {
  return {
    timesUnixNs: (rows) => BigInt64Array.from(rows, timeOf),
    gather: (first, second, indexes) =>
      Array.from(indexes, (index) => pick(first, second, first.length, index)),
  };
}

function pick<Value>(
  first: ArrayLike<Value>,
  second: ArrayLike<Value>,
  firstCount: number,
  index: number,
): Value {
  return index < firstCount ? first[index]! : second[index - firstCount]!;
}

function gatherSteps(first: StepColumns, second: StepColumns, indexes: Uint32Array): StepColumns {
  const columns = {
    step: gatherColumn(first.step, second.step, indexes),
    timeUnixNs: gatherColumn(first.timeUnixNs, second.timeUnixNs, indexes),
    episode: gatherColumn(first.episode, second.episode, indexes),
    reward: gatherColumn(first.reward, second.reward, indexes),
    flags: gatherColumn(first.flags, second.flags, indexes),
  };
  if (first.extraJson === null && second.extraJson === null) return { ...columns, extraJson: null };
  const texts = [first, second].map((rows) =>
    rows.extraJson ?? Array<string>(rows.step.length).fill("")
  );
  const extraJson = Array.from(
    indexes,
    (index) => pick(texts[0]!, texts[1]!, first.step.length, index),
  );
  return { ...columns, extraJson };
}

function gatherSamples(
  first: SampleColumns,
  second: SampleColumns,
  indexes: Uint32Array,
): SampleColumns {
  const names = [...new Set([...first.names, ...second.names])];
  const indexOfName = new Map(names.map((name, index) => [name, index]));
  const renumbered = [first, second].map((rows) => {
    const newIndexes = rows.names.map((name) => indexOfName.get(name)!);
    return rows.series.map((index) => newIndexes[index]!);
  });
  const step = first.step === null && second.step === null
    ? null
    : gatherColumn(stepsOf(first), stepsOf(second), indexes);
  return {
    names,
    series: gatherColumn(renumbered[0]!, renumbered[1]!, indexes),
    timeUnixNs: gatherColumn(first.timeUnixNs, second.timeUnixNs, indexes),
    step,
    value: gatherColumn(first.value, second.value, indexes),
  };
}

function stepsOf(rows: SampleColumns): BigUint64Array<ArrayBuffer> {
  return rows.step ?? new BigUint64Array(rows.timeUnixNs.length).fill(NO_STEP);
}

function gatherColumn<Values extends Column>(
  first: Values,
  second: Values,
  indexes: Uint32Array,
): Values {
  const gathered = new (first.constructor as new (length: number) => Values)(indexes.length);
  for (let at = 0; at < indexes.length; at++) {
    gathered[at] = pick<number | bigint>(first, second, first.length, indexes[at]!);
  }
  return gathered;
}
