/** Samples: columns are copied as they are; a client's numbers of series become ours. */

import { NO_STEP, type SampleColumns } from "../../core/storage/records.ts";
import type { PublishSamplesRequest } from "../../proto/gen/telebridge/v1/publish_pb.ts";
import type {
  Sample,
  SampleColumns as SampleColumnsMessage,
} from "../../proto/gen/telebridge/v1/records_pb.ts";
import type { BufferPool } from "../buffer_pool.ts";
import { checkElements, elementsOf, putColumn } from "./columns.ts";
import { InvalidRows, type RowGatherer, type RowReader } from "./reader.ts";

const ROWS_PER_GATHERER = 1024;
/** Three columns of 8 bytes, one of 4. */
const BYTES_PER_ROW = 3 * 8 + 4;
const INDEX_MAX = 65_535;
const SERIES_BYTES_MAX = 200;
const encoder = new TextEncoder();

/** The series of one call, numbered from 0 as they come. */
export class SeriesNames {
  readonly names: string[] = [];
  readonly #numberOf = new Map<string, number>();

  /** Throws {@link InvalidRows} for what is no name of a series. */
  numberOf(name: string): number {
    const known = this.#numberOf.get(name);
    if (known !== undefined) return known;
    checkName(name);
    const number = this.names.push(name) - 1;
    this.#numberOf.set(name, number);
    return number;
  }
}

export class SampleGatherer implements RowGatherer {
  readonly #names: SeriesNames;
  readonly #capacity: number;
  readonly #series: Uint32Array<ArrayBuffer>;
  readonly #timeUnixNs: BigInt64Array<ArrayBuffer>;
  readonly #step: BigUint64Array<ArrayBuffer>;
  readonly #value: Float64Array<ArrayBuffer>;
  #hasSteps = false;
  #count = 0;

  constructor(names: SeriesNames, buffer: ArrayBuffer, capacity: number) {
    this.#names = names;
    this.#capacity = capacity;
    const columnBytes = capacity * 8;
    this.#timeUnixNs = new BigInt64Array(buffer, 0, capacity);
    this.#step = new BigUint64Array(buffer, columnBytes, capacity);
    this.#value = new Float64Array(buffer, 2 * columnBytes, capacity);
    this.#series = new Uint32Array(buffer, 3 * columnBytes, capacity);
  }

  get bytes(): number {
    return this.#capacity * BYTES_PER_ROW;
  }

  hasRoom(rows: number): boolean {
    return this.#count + rows <= this.#capacity;
  }

  /** `numbers`: ours, by the client's. Throws for a series that was not defined, and has added nothing then. */
  addColumns(columns: SampleColumnsMessage, numbers: readonly (number | undefined)[]): void {
    const at = this.#count;
    const end = at + columns.value.byteLength / 8;
    putColumn(this.#series, at, columns.series);
    for (let row = at; row < end; row++) {
      const index = this.#series[row]!;
      const number = numbers[index];
      if (number === undefined) {
        throw new InvalidRows(`sample ${row - at + 1} is of series ${index}, which is not defined`);
      }
      this.#series[row] = number;
    }
    putColumn(this.#timeUnixNs, at, columns.timeUnixNs);
    putColumn(this.#value, at, columns.value);
    if (columns.step.byteLength > 0) {
      this.#needSteps();
      putColumn(this.#step, at, columns.step);
    } else if (this.#hasSteps) {
      this.#step.fill(NO_STEP, at, end);
    }
    this.#count = end;
  }

  addRow(row: Sample): void {
    if (row.step !== undefined) this.#needSteps();
    const at = this.#count++;
    this.#series[at] = this.#names.numberOf(row.series);
    this.#timeUnixNs[at] = row.timeUnixNs;
    this.#value[at] = row.value;
    if (this.#hasSteps) this.#step[at] = row.step ?? NO_STEP;
  }

  finish(): SampleColumns {
    const count = this.#count;
    return {
      names: this.#names.names.slice(),
      series: this.#series.subarray(0, count),
      timeUnixNs: this.#timeUnixNs.subarray(0, count),
      step: this.#hasSteps ? this.#step.subarray(0, count) : null,
      value: this.#value.subarray(0, count),
    };
  }

  /** Those that came before had none. */
  #needSteps(): void {
    if (this.#hasSteps) return;
    this.#hasSteps = true;
    this.#step.fill(NO_STEP, 0, this.#count);
  }
}

export class SampleReader implements RowReader<PublishSamplesRequest, SampleGatherer> {
  readonly kind = "samples";
  readonly #buffers: BufferPool;
  readonly #names = new SeriesNames();
  /** Ours, by the client's. */
  readonly #numbers: (number | undefined)[] = [];

  constructor(buffers: BufferPool) {
    this.#buffers = buffers;
  }

  count({ columns, rows }: PublishSamplesRequest): number {
    if (columns === undefined) return rows.length;
    const { series, timeUnixNs, step, value } = columns;
    const inColumns = elementsOf("value", value, 8);
    checkElements(inColumns, [["series", series, 4], ["time_unix_ns", timeUnixNs, 8]]);
    if (step.byteLength > 0) checkElements(inColumns, [["step", step, 8]]);
    return inColumns + rows.length;
  }

  gatherer(rows: number): SampleGatherer {
    const capacity = Math.max(rows, ROWS_PER_GATHERER);
    return new SampleGatherer(this.#names, this.#buffers.take(capacity * BYTES_PER_ROW), capacity);
  }

  add({ columns, rows }: PublishSamplesRequest, gatherer: SampleGatherer): void {
    for (const { index, name } of columns?.definitions ?? []) this.#define(index, name);
    for (const { series } of rows) this.#names.numberOf(series);
    if (columns !== undefined) gatherer.addColumns(columns, this.#numbers);
    for (const row of rows) gatherer.addRow(row);
  }

  #define(index: number, name: string): void {
    if (index > INDEX_MAX) {
      throw new InvalidRows(`series ${index} is beyond ${INDEX_MAX}`);
    }
    this.#numbers[index] = this.#names.numberOf(name);
  }
}

function checkName(name: string): void {
  const { byteLength } = encoder.encode(name);
  if (byteLength < 1 || byteLength > SERIES_BYTES_MAX) {
    throw new InvalidRows(
      `the name of a series has ${byteLength} bytes, it may have 1 to ${SERIES_BYTES_MAX}`,
    );
  }
  // deno-lint-ignore no-control-regex -- these are what it is about
  if (/[\x00-\x1f\x7f]/.test(name)) {
    throw new InvalidRows(`the name of a series, ${JSON.stringify(name)}, has control characters`);
  }
}
