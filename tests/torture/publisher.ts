/**
 * A client that publishes steps as fast as it may and writes down what was acknowledged, in a process of its own: to be
 * killed, cut off and watched.
 *
 *     publisher.ts --target ADDRESS --run ID --ledger FILE --base N [--token T] [--rows-per-second N] [--synced]
 *
 * The step numbers are base + 1, base + 2, … and so equal base + sequence. The ledger is 16 bytes: the committed and the
 * synced sequence, u64 little-endian each, as last acknowledged; what stands there survives the process.
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import { parseArgs } from "node:util";
import {
  type PublishAck,
  PublishAckSchema,
  type PublishRunStepsRequest,
  PublishRunStepsRequestSchema,
  PublishService,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { randomHex } from "../../core/random.ts";

const ROWS_A_MESSAGE = 64;
const RETRY_MS = 20;
const METHOD = `/${PublishService.typeName}/PublishRunSteps`;
const LEDGER_BYTES = 16;

type Call = ClientDuplexStream<PublishRunStepsRequest, PublishAck>;

interface Options {
  target: string;
  run: string;
  token: string | null;
  base: bigint;
  rowsPerSecond: number;
  synced: boolean;
}

function bytesOf(column: BigUint64Array | BigInt64Array | Float64Array | Uint8Array): Uint8Array {
  return new Uint8Array(column.buffer as ArrayBuffer, column.byteOffset, column.byteLength);
}

/** Rows with the sequences from `first` on; the step is the sequence beyond `base`, the reward its negative. */
function rowsFrom(first: bigint, base: bigint) {
  const sequences = Array.from({ length: ROWS_A_MESSAGE }, (_, index) => first + BigInt(index));
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  return {
    step: bytesOf(BigUint64Array.from(sequences, (sequence) => base + sequence)),
    timeUnixNs: bytesOf(BigInt64Array.from(sequences, () => nowNs)),
    episode: bytesOf(BigUint64Array.from(sequences, (sequence) => sequence / 1000n)),
    reward: bytesOf(Float64Array.from(sequences, (sequence) => -Number(sequence))),
    flags: bytesOf(new Uint8Array(ROWS_A_MESSAGE)),
  };
}

class Publisher {
  readonly #options: Options;
  readonly #ledger: Deno.FsFile;
  readonly #client: Client;
  readonly #streamId = Uint8Array.fromHex(randomHex(16));
  #committed = 0n;
  #credits = ROWS_A_MESSAGE;
  /** Sequence of the row that is due; null until the call's first ack tells. */
  #next: bigint | null = null;

  constructor(options: Options, ledger: Deno.FsFile) {
    this.#options = options;
    this.#ledger = ledger;
    this.#client = new Client(options.target, credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": RETRY_MS,
      "grpc.max_reconnect_backoff_ms": RETRY_MS * 5,
    });
  }

  /** Publishes until the process ends; each failed call is followed by another. */
  async run(): Promise<never> {
    while (true) {
      await this.#call();
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #call(): Promise<void> {
    const metadata = new Metadata();
    if (this.#options.token !== null) {
      metadata.set("authorization", `Bearer ${this.#options.token}`);
    }
    const call: Call = this.#client.makeBidiStreamRequest(
      METHOD,
      (request) => Buffer.from(toBinary(PublishRunStepsRequestSchema, request)),
      (bytes) => fromBinary(PublishAckSchema, bytes),
      metadata,
    );
    const ended = new Promise<void>((resolve) => {
      call.on("error", (error) => {
        console.error(`publisher: ${error.message}`);
        resolve();
      });
      call.on("end", resolve);
    });
    let over = false;
    ended.then(() => {
      over = true;
      this.#next = null;
    });
    call.on("data", (ack: PublishAck) => this.#onAck(ack));
    this.#write(call, null);
    while (!over) {
      if (this.#next !== null && this.#next <= this.#committed + BigInt(this.#credits)) {
        this.#write(call, this.#next);
        this.#next += BigInt(ROWS_A_MESSAGE);
      }
      const pauseMs = ROWS_A_MESSAGE * 1000 / this.#options.rowsPerSecond;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** null: the opening message, whose ack tells where to go on. */
  #write(call: Call, first: bigint | null): void {
    const { run, base, synced } = this.#options;
    call.write(create(
      PublishRunStepsRequestSchema,
      first === null
        ? { open: { runId: run, streamId: this.#streamId, wantSynced: synced } }
        : { firstSequence: first, columns: rowsFrom(first, base) },
    ));
  }

  #onAck(ack: PublishAck): void {
    this.#committed = ack.committedSequence;
    this.#next ??= this.#committed + 1n;
    this.#credits = ack.credits;
    const entry = new DataView(new ArrayBuffer(LEDGER_BYTES));
    entry.setBigUint64(0, ack.committedSequence, true);
    entry.setBigUint64(8, ack.syncedSequence, true);
    this.#ledger.seekSync(0, Deno.SeekMode.Start);
    this.#ledger.writeSync(new Uint8Array(entry.buffer));
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      target: { type: "string" },
      run: { type: "string" },
      ledger: { type: "string" },
      base: { type: "string", default: "0" },
      token: { type: "string" },
      "rows-per-second": { type: "string", default: "20000" },
      synced: { type: "boolean", default: false },
    },
  });
  const ledger = Deno.openSync(values.ledger!, { create: true, write: true });
  await new Publisher({
    target: values.target!,
    run: values.run!,
    token: values.token ?? null,
    base: BigInt(values.base),
    rowsPerSecond: Number(values["rows-per-second"]),
    synced: values.synced,
  }, ledger).run();
}
