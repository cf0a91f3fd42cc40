/**
 * A client of the durable lane that sends as much as it may, in a process of its own:
 *
 *     durable_client.ts --target ADDRESS --run ID --seconds N --rows N [--messages-per-second N] [--synced]
 *
 * Prints one line of JSON, {@link ClientFigures}. Messages of `--rows` steps are copies of one that is made before the
 * clock starts, with step numbers and sequence of their own: what it costs to make them is not taken for the server's.
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { type ClientDuplexStream, Metadata } from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { parseArgs } from "node:util";
import { randomHex } from "../core/random.ts";
import {
  type PublishAck,
  PublishRunStepsRequestSchema,
  PublishService,
} from "../proto/gen/telebridge/v1/publish_pb.ts";
import { grpcDefinition } from "../proto/grpc_definition.ts";
import { grpcClient } from "../tests/harness/step_call.ts";

export interface ClientFigures {
  rowsCommitted: number;
  seconds: number;
  /** From the write of a message to the ack that covers it, ms; of the newest 100,000. */
  committedMs: number[];
  syncedMs: number[];
}

const LATENCIES_MAX = 100_000;
const STREAM_ID_BYTES = 16;
const BYTES_A_WORD = 8;
const METHOD = grpcDefinition(PublishService).publishRunSteps;
const STEP_MARK = 0x1122_3344_5566_7788n;

/** Messages that differ in their sequence and step numbers. */
class MessageMaker {
  readonly #template: Buffer;
  readonly #stepOffset: number;

  constructor(readonly rows: number) {
    const words = (value: bigint) => new Uint8Array(new BigUint64Array(rows).fill(value).buffer);
    const columns = {
      step: words(STEP_MARK),
      timeUnixNs: words(BigInt(Date.now()) * 1_000_000n),
      episode: words(7n),
      reward: new Uint8Array(Float64Array.from({ length: rows }, Math.random).buffer),
      flags: new Uint8Array(rows),
    };
    // A sequence of the largest size, so that each fits over it.
    const firstSequence = 0xffff_ffff_ffff_ffffn;
    const message = create(PublishRunStepsRequestSchema, { firstSequence, columns });
    this.#template = Buffer.from(toBinary(PublishRunStepsRequestSchema, message));
    const mark = Buffer.from(new BigUint64Array([STEP_MARK]).buffer);
    this.#stepOffset = this.#template.indexOf(mark);
  }

  make(firstSequence: bigint): Buffer {
    const message = Buffer.from(this.#template);
    writeVarint(message, 1, firstSequence);
    for (let row = 0; row < this.rows; row++) {
      const step = firstSequence + BigInt(row);
      message.writeBigUInt64LE(step, this.#stepOffset + row * BYTES_A_WORD);
    }
    return message;
  }
}

/** A u64 as a varint of ten bytes, whatever its value. */
function writeVarint(message: Buffer, offset: number, value: bigint): void {
  let rest = value;
  for (let index = 0; index < 9; index++) {
    message[offset + index] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  message[offset + 9] = Number(rest);
}

/** Remembers when messages were written, and notes how long acks took. */
class Latencies {
  readonly ms: number[] = [];
  readonly #pending: { last: bigint; atMs: number }[] = [];

  wrote(last: bigint): void {
    this.#pending.push({ last, atMs: performance.now() });
  }

  acked(sequence: bigint): void {
    const nowMs = performance.now();
    let count = 0;
    for (; count < this.#pending.length && this.#pending[count]!.last <= sequence; count++) {
      this.ms.push(nowMs - this.#pending[count]!.atMs);
    }
    this.#pending.splice(0, count);
    if (this.ms.length > LATENCIES_MAX) this.ms.splice(0, this.ms.length - LATENCIES_MAX);
  }
}

interface Options {
  target: string;
  runId: string;
  seconds: number;
  rows: number;
  /** Infinity: as many as credits allow. */
  messagesPerSecond: number;
  synced: boolean;
}

async function send(options: Options): Promise<ClientFigures> {
  const client = grpcClient(options.target);
  const call: ClientDuplexStream<Buffer, PublishAck> = client.makeBidiStreamRequest(
    METHOD.path,
    (bytes: Buffer) => bytes,
    METHOD.responseDeserialize,
    new Metadata(),
  );
  const { runId, synced, rows } = options;
  const streamId = Uint8Array.fromHex(randomHex(STREAM_ID_BYTES));
  const committed = new Latencies();
  const syncs = new Latencies();
  let ack: PublishAck | null = null;
  let wake = () => {};
  call.on("data", (next: PublishAck) => {
    ack = next;
    committed.acked(next.committedSequence);
    syncs.acked(next.syncedSequence);
    wake();
  });
  call.on("error", (error) => {
    console.error(`durable_client: ${error.message}`);
    Deno.exit(1);
  });
  call.write(METHOD.requestSerialize({ open: { runId, streamId, wantSynced: synced } }));
  const maker = new MessageMaker(rows);
  const room = () =>
    ack !== null && next + BigInt(rows) <= ack.committedSequence + BigInt(ack.credits) + 1n;
  let next = 1n;
  const startedAtMs = performance.now();
  const elapsedMs = () => performance.now() - startedAtMs;
  let sent = 0;
  while (elapsedMs() < options.seconds * 1000) {
    const dueMs = sent * 1000 / options.messagesPerSecond;
    const earlyMs = dueMs - elapsedMs();
    if (earlyMs > 0) {
      await new Promise((resolve) => setTimeout(resolve, earlyMs));
      continue;
    }
    if (!room()) {
      await new Promise<void>((resolve) => wake = resolve);
      continue;
    }
    const last = next + BigInt(rows) - 1n;
    committed.wrote(last);
    if (synced) syncs.wrote(last);
    const flowing = call.write(maker.make(next));
    next = last + 1n;
    sent++;
    if (!flowing) await new Promise<void>((resolve) => call.once("drain", resolve));
  }
  while (ack!.committedSequence < next - 1n) await new Promise<void>((resolve) => wake = resolve);
  const seconds = elapsedMs() / 1000;
  call.end();
  client.close();
  return {
    rowsCommitted: Number(next - 1n),
    seconds,
    committedMs: committed.ms,
    syncedMs: syncs.ms,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      target: { type: "string" },
      run: { type: "string" },
      seconds: { type: "string" },
      rows: { type: "string", default: "64" },
      "messages-per-second": { type: "string", default: "Infinity" },
      synced: { type: "boolean", default: false },
    },
  });
  const figures = await send({
    target: values.target!,
    runId: values.run!,
    seconds: Number(values.seconds),
    rows: Number(values.rows),
    messagesPerSecond: Number(values["messages-per-second"]),
    synced: values.synced,
  });
  console.log(JSON.stringify(figures));
  Deno.exit(0);
}
