/** Steps: columns are copied as they are, one memcpy each. */

import type { StepColumns } from "../../core/storage/records.ts";
import type { PublishRunStepsRequest } from "../../proto/gen/telebridge/v1/publish_pb.ts";
import type {
  Step,
  StepColumns as StepColumnsMessage,
} from "../../proto/gen/telebridge/v1/records_pb.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { checkElements, elementsOf, putColumn } from "./columns.ts";
import { InvalidRows, type RowGatherer, type RowReader } from "./reader.ts";
import { checkJsonObject, EXTRA_JSON_CHARS_MAX } from "./texts.ts";

const ROWS_PER_GATHERER = 1024;
/** Four columns of 8 bytes, one of 1. */
const BYTES_PER_ROW = 4 * 8 + 1;
const FLAGS_MAX = 3;

export class StepGatherer implements RowGatherer {
  readonly columns: StepColumns;
  readonly #capacity: number;
  #count = 0;
  #textBytes = 0;

  constructor(buffer: ArrayBuffer, capacity: number) {
    this.#capacity = capacity;
    const columnBytes = capacity * 8;
    this.columns = {
      step: new BigUint64Array(buffer, 0, capacity),
      timeUnixNs: new BigInt64Array(buffer, columnBytes, capacity),
      episode: new BigUint64Array(buffer, 2 * columnBytes, capacity),
      reward: new Float64Array(buffer, 3 * columnBytes, capacity),
      flags: new Uint8Array(buffer, 4 * columnBytes, capacity),
      extraJson: null,
    };
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#capacity * BYTES_PER_ROW + this.#textBytes;
  }

  hasRoom(rows: number): boolean {
    return this.#count + rows <= this.#capacity;
  }

  addColumns(columns: StepColumnsMessage, rows: number): void {
    const at = this.#count;
    putColumn(this.columns.step, at, columns.step);
    putColumn(this.columns.timeUnixNs, at, columns.timeUnixNs);
    putColumn(this.columns.episode, at, columns.episode);
    putColumn(this.columns.reward, at, columns.reward);
    putColumn(this.columns.flags, at, columns.flags);
    this.#count += rows;
    columns.extraJson.forEach((json, index) => this.#setExtra(at + index, json));
  }

  addRow(row: Step): void {
    const at = this.#count++;
    this.columns.step[at] = row.step;
    this.columns.timeUnixNs[at] = row.timeUnixNs;
    this.columns.episode[at] = row.episode;
    this.columns.reward[at] = row.reward;
    this.columns.flags[at] = (row.terminated ? 1 : 0) | (row.truncated ? 2 : 0);
    this.#setExtra(at, row.extraJson);
  }

  finish(): StepColumns {
    const { step, timeUnixNs, episode, reward, flags, extraJson } = this.columns;
    const count = this.#count;
    return {
      step: step.subarray(0, count),
      timeUnixNs: timeUnixNs.subarray(0, count),
      episode: episode.subarray(0, count),
      reward: reward.subarray(0, count),
      flags: flags.subarray(0, count),
      extraJson: extraJson?.slice(0, count) ?? null,
    };
  }

  #setExtra(at: number, json: string): void {
    if (json === "") return;
    this.columns.extraJson ??= Array<string>(this.#capacity).fill("");
    this.columns.extraJson[at] = json;
    this.#textBytes += 2 * json.length;
  }
}

export class StepReader implements RowReader<PublishRunStepsRequest, StepGatherer> {
  readonly kind = "steps";
  readonly #buffers: BufferPool;

  constructor(buffers: BufferPool) {
    this.#buffers = buffers;
  }

  count({ columns, rows }: PublishRunStepsRequest): number {
    if (columns === undefined) return rows.length;
    const { step, timeUnixNs, episode, reward, flags, extraJson } = columns;
    const inColumns = elementsOf("step", step, 8);
    checkElements(inColumns, [
      ["time_unix_ns", timeUnixNs, 8],
      ["episode", episode, 8],
      ["reward", reward, 8],
      ["flags", flags, 1],
    ]);
    if (extraJson.length !== 0 && extraJson.length !== inColumns) {
      throw new InvalidRows(
        `column extra_json has ${extraJson.length} values, not ${inColumns} or none`,
      );
    }
    return inColumns + rows.length;
  }

  gatherer(rows: number): StepGatherer {
    const capacity = Math.max(rows, ROWS_PER_GATHERER);
    return new StepGatherer(this.#buffers.take(capacity * BYTES_PER_ROW), capacity);
  }

  add({ columns, rows }: PublishRunStepsRequest, gatherer: StepGatherer): void {
    columns?.flags.forEach((flags, index) => {
      if (flags > FLAGS_MAX) throw new InvalidRows(`step ${index + 1} has unknown flags ${flags}`);
    });
    for (const json of columns?.extraJson ?? []) checkExtra(json);
    for (const row of rows) checkExtra(row.extraJson);
    if (columns !== undefined) gatherer.addColumns(columns, columns.step.byteLength / 8);
    for (const row of rows) gatherer.addRow(row);
  }
}

function checkExtra(json: string): void {
  checkJsonObject("a step's extra_json", json, EXTRA_JSON_CHARS_MAX);
}
