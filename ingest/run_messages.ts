/** What the store tells of runs, as messages. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  CheckpointRow,
  HistogramRow,
  ParamRow,
  RunRecord,
  RunState as StoredState,
  SampleColumns,
  StepColumns,
} from "../core/storage/records.ts";
import { NO_STEP } from "../core/storage/records.ts";
import type {
  CheckpointSchema,
  HistogramSchema,
  SampleColumnsSchema,
  StepColumnsSchema,
} from "../proto/gen/telebridge/v1/records_pb.ts";
import {
  type RowCountsSchema,
  type RunSchema,
  RunState,
} from "../proto/gen/telebridge/v1/runs_pb.ts";

const STATES: Readonly<Record<StoredState, RunState>> = {
  running: RunState.RUNNING,
  finished: RunState.FINISHED,
  failed: RunState.FAILED,
  lost: RunState.LOST,
};

export function runMessage(
  run: RunRecord,
  more: { params: ParamRow[]; series: string[] } = { params: [], series: [] },
): MessageInitShape<typeof RunSchema> {
  return { ...run, state: STATES[run.state], counts: countsMessage(run.counts), ...more };
}

export function countsMessage(
  counts: RunRecord["counts"],
): MessageInitShape<typeof RowCountsSchema> {
  return Object.fromEntries(
    Object.entries(counts).map(([kind, count]) => [kind, BigInt(count)]),
  );
}

export function stepsMessage(rows: StepColumns): MessageInitShape<typeof StepColumnsSchema> {
  return {
    step: bytesOf(rows.step),
    timeUnixNs: bytesOf(rows.timeUnixNs),
    episode: bytesOf(rows.episode),
    reward: bytesOf(rows.reward),
    flags: rows.flags,
    extraJson: rows.extraJson ?? [],
  };
}

/** Numbers of series as one call tells them: each is defined in the message that uses it first. */
export class SeriesNumbers {
  readonly #numbers = new Map<string, number>();

  samplesMessage(rows: SampleColumns): MessageInitShape<typeof SampleColumnsSchema> {
    const definitions: { index: number; name: string }[] = [];
    const numbers = rows.names.map((name) => {
      let index = this.#numbers.get(name);
      if (index === undefined) {
        index = this.#numbers.size;
        this.#numbers.set(name, index);
        definitions.push({ index, name });
      }
      return index;
    });
    return {
      definitions,
      series: bytesOf(rows.series.map((number) => numbers[number]!)),
      timeUnixNs: bytesOf(rows.timeUnixNs),
      step: rows.step?.some((step) => step !== NO_STEP) ? bytesOf(rows.step) : new Uint8Array(),
      value: bytesOf(rows.value),
    };
  }
}

export function histogramMessage(row: HistogramRow): MessageInitShape<typeof HistogramSchema> {
  const { series, timeUnixNs, step, edges, counts } = row;
  return { series, timeUnixNs, step: step ?? undefined, edges: [...edges], counts: [...counts] };
}

export function checkpointMessage(row: CheckpointRow): MessageInitShape<typeof CheckpointSchema> {
  const { name, timeUnixNs, step, sizeBytes, sha256, metadataJson } = row;
  return {
    ...{ name, timeUnixNs, sizeBytes, metadataJson },
    step: step ?? undefined,
    sha256: Uint8Array.fromHex(sha256),
  };
}

/** A column as its bytes, not copied. */
function bytesOf(
  column: BigUint64Array | BigInt64Array | Float64Array | Uint32Array,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(column.buffer as ArrayBuffer, column.byteOffset, column.byteLength);
}
