/** A PublishRunSteps call, by hand: for tests and torture that must see each ack. */

import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { grpcDefinition } from "../../proto/grpc_definition.ts";
import {
  type PublishAck,
  type PublishRunStepsRequestSchema,
  PublishService,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { deferHttp2Close } from "../../proto/http2_close.ts";

const METHOD = grpcDefinition(PublishService).publishRunSteps;
type Request = MessageInitShape<typeof PublishRunStepsRequestSchema>;
const RECONNECT_MS = 20;
const RECONNECT_MS_MAX = 100;

/** A client that connects again soon. */
export function grpcClient(target: string): Client {
  deferHttp2Close();
  return new Client(target, credentials.createInsecure(), {
    "grpc.initial_reconnect_backoff_ms": RECONNECT_MS,
    "grpc.max_reconnect_backoff_ms": RECONNECT_MS_MAX,
  });
}

export interface StepCallOptions {
  runId: string;
  /** 16 bytes. */
  streamId: Uint8Array;
  /** null on a unix socket. */
  token?: string | null;
  synced?: boolean;
  /** Row n has the step base + n. */
  base?: bigint;
  onAck?: (ack: PublishAck) => void;
}

function bytesOf(column: BigUint64Array | BigInt64Array | Float64Array | Uint8Array): Uint8Array {
  return new Uint8Array(column.buffer as ArrayBuffer, column.byteOffset, column.byteLength);
}

export class StepCall {
  /** The newest; null before the first. */
  ack: PublishAck | null = null;
  over = false;
  /** Resolves to why the call is over, "" when the server ended it in good order. */
  readonly ended: Promise<string>;
  readonly #call: ClientDuplexStream<Request, PublishAck>;
  readonly #base: bigint;

  constructor(client: Client, options: StepCallOptions) {
    this.#base = options.base ?? 0n;
    const metadata = new Metadata();
    if (options.token) metadata.set("authorization", `Bearer ${options.token}`);
    this.#call = client.makeBidiStreamRequest(
      METHOD.path,
      METHOD.requestSerialize,
      METHOD.responseDeserialize,
      metadata,
    );
    this.#call.on("data", (ack: PublishAck) => {
      this.ack = ack;
      options.onAck?.(ack);
    });
    this.ended = new Promise((resolve) => {
      this.#call.on("error", (error) => resolve(error.message));
      this.#call.on("end", () => resolve(""));
    });
    this.ended.then(() => this.over = true);
    const { runId, streamId, synced = false } = options;
    this.#call.write({ open: { runId, streamId, wantSynced: synced } });
  }

  /** Rows with the sequences from `first` on; their reward is the sequence's negative. */
  write(first: bigint, count: number): void {
    const sequences = Array.from({ length: count }, (_, index) => first + BigInt(index));
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    this.#call.write({
      firstSequence: first,
      columns: {
        step: bytesOf(BigUint64Array.from(sequences, (sequence) => this.#base + sequence)),
        timeUnixNs: bytesOf(BigInt64Array.from(sequences, () => nowNs)),
        episode: bytesOf(BigUint64Array.from(sequences, (sequence) => sequence / 1000n)),
        reward: bytesOf(Float64Array.from(sequences, (sequence) => -Number(sequence))),
        flags: bytesOf(new Uint8Array(count)),
      },
    });
  }

  end(): Promise<string> {
    this.#call.end();
    return this.ended;
  }

  cancel(): void {
    this.#call.cancel();
  }
}
