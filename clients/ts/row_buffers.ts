/** Rows that were given and are not packed yet. Packing makes a message's rows; they are never looked at again. */

import { create, toBinary } from "@bufbuild/protobuf";
import {
  PublishRunStepsRequestSchema,
  PublishSamplesRequestSchema,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { joined } from "./kinds.ts";
import { MESSAGE_BYTES_MAX, MESSAGE_ROWS_MAX } from "./limits.ts";

/** In a column of steps: none. */
const NO_STEP = 0xffff_ffff_ffff_ffffn;

const TERMINATED = 1;
const TRUNCATED = 2;

/** One message's worth. */
export interface RowBuffer {
  readonly rows: number;
  /** Of the message that {@link pack} would make, about. */
  readonly bytes: number;
  /** It holds a message's worth: pack it before the next row. */
  readonly full: boolean;
  /** Empties it. */
  pack(): Uint8Array<ArrayBuffer>;
}

function bytesOf(column: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}

/** Columns are written as they lie in memory, which is the protocol's order on every machine that Deno and Node run on. */
export class SampleBuffer implements RowBuffer {
  readonly #series = new Uint32Array(MESSAGE_ROWS_MAX);
  readonly #timeUnixNs = new BigInt64Array(MESSAGE_ROWS_MAX);
  readonly #step = new BigUint64Array(MESSAGE_ROWS_MAX);
  readonly #value = new Float64Array(MESSAGE_ROWS_MAX);
  /** Index of each series' name in this message. */
  readonly #indexes = new Map<string, number>();
  #nameBytes = 0;
  #rows = 0;

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#rows * 28 + this.#nameBytes;
  }

  get full(): boolean {
    return this.#rows === MESSAGE_ROWS_MAX || this.#nameBytes > MESSAGE_BYTES_MAX / 2;
  }

  push(series: string, timeUnixNs: bigint, step: bigint | null, value: number): void {
    let index = this.#indexes.get(series);
    if (index === undefined) {
      index = this.#indexes.size;
      this.#indexes.set(series, index);
      this.#nameBytes += series.length * 3 + 8;
    }
    const row = this.#rows++;
    this.#series[row] = index;
    this.#timeUnixNs[row] = timeUnixNs;
    this.#step[row] = step ?? NO_STEP;
    this.#value[row] = value;
  }

  /** Every message defines all of its series: it can be sent again, alone, on any call. */
  pack(): Uint8Array<ArrayBuffer> {
    const definitions = [...this.#indexes].map(([name, index]) => ({ index, name }));
    const packed = toBinary(
      PublishSamplesRequestSchema,
      create(PublishSamplesRequestSchema, {
        columns: {
          definitions,
          series: bytesOf(this.#series.subarray(0, this.#rows)),
          timeUnixNs: bytesOf(this.#timeUnixNs.subarray(0, this.#rows)),
          step: bytesOf(this.#step.subarray(0, this.#rows)),
          value: bytesOf(this.#value.subarray(0, this.#rows)),
        },
      }),
    );
    this.#rows = 0;
    this.#nameBytes = 0;
    this.#indexes.clear();
    return packed;
  }
}

export interface StepRow {
  step: bigint;
  timeUnixNs: bigint;
  episode: bigint;
  /** NaN where there is none. */
  reward: number;
  terminated: boolean;
  truncated: boolean;
  /** A JSON object; "" for none. */
  extraJson: string;
}

export class StepBuffer implements RowBuffer {
  readonly #step = new BigUint64Array(MESSAGE_ROWS_MAX);
  readonly #timeUnixNs = new BigInt64Array(MESSAGE_ROWS_MAX);
  readonly #episode = new BigUint64Array(MESSAGE_ROWS_MAX);
  readonly #reward = new Float64Array(MESSAGE_ROWS_MAX);
  readonly #flags = new Uint8Array(MESSAGE_ROWS_MAX);
  #extraJson: string[] = [];
  #hasExtra = false;
  #extraBytes = 0;

  get rows(): number {
    return this.#extraJson.length;
  }

  get bytes(): number {
    return this.rows * 33 + this.#extraBytes;
  }

  get full(): boolean {
    return this.rows === MESSAGE_ROWS_MAX || this.#extraBytes > MESSAGE_BYTES_MAX / 2;
  }

  push(row: StepRow): void {
    const index = this.rows;
    this.#step[index] = row.step;
    this.#timeUnixNs[index] = row.timeUnixNs;
    this.#episode[index] = row.episode;
    this.#reward[index] = row.reward;
    this.#flags[index] = (row.terminated ? TERMINATED : 0) | (row.truncated ? TRUNCATED : 0);
    this.#extraJson.push(row.extraJson);
    if (row.extraJson === "") return;
    this.#hasExtra = true;
    this.#extraBytes += row.extraJson.length * 3;
  }

  pack(): Uint8Array<ArrayBuffer> {
    const rows = this.rows;
    const packed = toBinary(
      PublishRunStepsRequestSchema,
      create(PublishRunStepsRequestSchema, {
        columns: {
          step: bytesOf(this.#step.subarray(0, rows)),
          timeUnixNs: bytesOf(this.#timeUnixNs.subarray(0, rows)),
          episode: bytesOf(this.#episode.subarray(0, rows)),
          reward: bytesOf(this.#reward.subarray(0, rows)),
          flags: bytesOf(this.#flags.subarray(0, rows)),
          extraJson: this.#hasExtra ? this.#extraJson : [],
        },
      }),
    );
    this.#extraJson = [];
    this.#hasExtra = false;
    this.#extraBytes = 0;
    return packed;
  }
}

/** Rows that are messages: each is packed when it is given, as a request with this one row. */
export class MessageBuffer implements RowBuffer {
  #packed: Uint8Array[] = [];
  #bytes = 0;

  get rows(): number {
    return this.#packed.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get full(): boolean {
    return this.rows === MESSAGE_ROWS_MAX || this.#bytes >= MESSAGE_BYTES_MAX;
  }

  push(request: Uint8Array): void {
    this.#packed.push(request);
    this.#bytes += request.byteLength;
  }

  pack(): Uint8Array<ArrayBuffer> {
    const packed = joined(this.#packed);
    this.#packed = [];
    this.#bytes = 0;
    return packed;
  }
}
