/** Calls of the durable lane's services, by hand. */

import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type { Buffer } from "node:buffer";
import {
  grpcDefinition,
  type GrpcMethodDefinition,
  type GrpcServiceDefinition,
} from "../../proto/grpc_definition.ts";
import { type PublishAck, PublishService } from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { RunService } from "../../proto/gen/telebridge/v1/runs_pb.ts";
import { deferHttp2Close } from "../../proto/http2_close.ts";
import type { TestBox } from "./box.ts";
import { waitFor } from "./wait.ts";

const RUNS = grpcDefinition(RunService);
const PUBLISH = grpcDefinition(PublishService);

/** How a call ended. */
export interface Ending {
  code: grpc.status;
  details: string;
  metadata: grpc.Metadata;
}

type In<Method> = Method extends GrpcMethodDefinition<infer Input, infer _>
  ? MessageInitShape<Input>
  : never;
type Out<Method> = Method extends GrpcMethodDefinition<infer _, infer Output> ? MessageShape<Output>
  : never;
type Runs = GrpcServiceDefinition<typeof RunService>;
type Publish = GrpcServiceDefinition<typeof PublishService>;
/** What grpc-js is told of a method whose name is known only at run time. */
interface AnyMethod {
  path: string;
  // deno-lint-ignore no-explicit-any
  requestSerialize(message: any): Buffer;
  // deno-lint-ignore no-explicit-any
  responseDeserialize(bytes: Uint8Array): any;
}
type RowMethod = Exclude<keyof Publish, "publishCheckpoint" | "publishFrames">;

export interface ConnectOptions {
  /** `unix:PATH` or `HOST:PORT`. */
  target: string;
  token?: string | null;
  credentials?: grpc.ChannelCredentials;
}

/** Bytes of a column. */
export function column(
  values: BigUint64Array | BigInt64Array | Float64Array | Uint32Array | Uint8Array,
): Uint8Array {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}

/** A copy of a column's bytes, aligned for the array that they are of. */
export function columnBuffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

export function streamId(fill = 1): Uint8Array {
  return new Uint8Array(16).fill(fill);
}

/** Columns of steps: step n has sequence n, at n ms, reward n / 2. */
export function stepColumns(first: number, count: number) {
  const numbers = Array.from({ length: count }, (_, index) => BigInt(first + index));
  return {
    step: column(BigUint64Array.from(numbers)),
    timeUnixNs: column(BigInt64Array.from(numbers, (number) => number * 1_000_000n)),
    episode: column(BigUint64Array.from(numbers, () => 1n)),
    reward: column(Float64Array.from(numbers, (number) => Number(number) / 2)),
    flags: column(new Uint8Array(count)),
  };
}

export class IngestClient {
  readonly client: grpc.Client;
  readonly #token: string | null;

  private constructor({ target, token = null, credentials }: ConnectOptions) {
    deferHttp2Close();
    this.#token = token;
    this.client = new grpc.Client(target, credentials ?? grpc.credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": 20,
      "grpc.max_reconnect_backoff_ms": 100,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_send_message_length": -1,
    });
  }

  static connect(box: TestBox, options: ConnectOptions): IngestClient {
    const client = new IngestClient(options);
    box.onEnd(() => Promise.resolve(client.client.close()));
    return client;
  }

  get #metadata(): grpc.Metadata {
    const metadata = new grpc.Metadata();
    if (this.#token !== null) metadata.set("authorization", `Bearer ${this.#token}`);
    return metadata;
  }

  /** The answer; rejects with {@link Ending}. */
  ask<Name extends keyof Runs>(name: Name, request: In<Runs[Name]>): Promise<Out<Runs[Name]>> {
    const method = RUNS[name] as unknown as AnyMethod;
    return new Promise((resolve, reject) =>
      this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        (error, answer) => error === null ? resolve(answer) : reject(error),
      )
    );
  }

  /** A call of answers. */
  stream<Name extends keyof Runs>(
    name: Name,
    request: In<Runs[Name]>,
  ): AnswerStream<Out<Runs[Name]>> {
    const method = RUNS[name] as unknown as AnyMethod;
    return new AnswerStream(this.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
    ));
  }

  /** A call that publishes rows. */
  publish<Name extends RowMethod>(name: Name): PublishStream<In<Publish[Name]>> {
    const method = PUBLISH[name] as unknown as AnyMethod;
    return new PublishStream(this.client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#metadata,
    ));
  }

  /** A checkpoint in these messages. */
  async checkpoint(
    messages: In<Publish["publishCheckpoint"]>[],
  ): Promise<Out<Publish["publishCheckpoint"]>> {
    const method = PUBLISH.publishCheckpoint;
    const { promise, resolve, reject } = Promise.withResolvers<Out<typeof method>>();
    const call = this.client.makeClientStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      this.#metadata,
      (error, answer) => error === null ? resolve(answer!) : reject(error),
    );
    for (const message of messages) call.write(message);
    call.end();
    return await promise;
  }

  /** How a call of any method ends that sends nothing. */
  endOf(service: DescService, method: DescMethod): Promise<Ending> {
    const definition = grpcDefinition(service)[method.localName]!;
    const call = this.client.makeBidiStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      this.#metadata,
    );
    call.end();
    call.on("data", () => {});
    call.on("error", () => {});
    return new Promise((resolve) => call.on("status", resolve));
  }
}

export class AnswerStream<Answer> {
  readonly answers: Answer[] = [];
  ending: Ending | null = null;
  readonly #call: grpc.ClientReadableStream<Answer>;

  constructor(call: grpc.ClientReadableStream<Answer>) {
    this.#call = call;
    call.on("data", (answer: Answer) => this.answers.push(answer));
    call.on("status", (ending: Ending) => this.ending = ending);
    call.on("error", () => {});
  }

  ended(): Promise<Ending> {
    return waitFor("the call's end", () => this.ending);
  }

  cancel(): void {
    this.#call.cancel();
  }
}

export class PublishStream<Request> {
  readonly acks: PublishAck[] = [];
  ending: Ending | null = null;
  readonly #call: grpc.ClientDuplexStream<Request, PublishAck>;

  constructor(call: grpc.ClientDuplexStream<Request, PublishAck>) {
    this.#call = call;
    call.on("data", (ack: PublishAck) => this.acks.push(ack));
    call.on("status", (ending: Ending) => this.ending = ending);
    call.on("error", () => {});
  }

  get ack(): PublishAck | undefined {
    return this.acks.at(-1);
  }

  send(request: Request): this {
    this.#call.write(request);
    return this;
  }

  end(): this {
    this.#call.end();
    return this;
  }

  cancel(): void {
    this.#call.cancel();
  }

  committed(sequence: number): Promise<unknown> {
    return waitFor(
      `an ack of ${sequence}`,
      () => this.ack !== undefined && this.ack.committedSequence >= BigInt(sequence),
      () => `${this.ack?.committedSequence} ${this.ending?.details}`,
    );
  }

  synced(sequence: number): Promise<unknown> {
    return waitFor(
      `a synced ack of ${sequence}`,
      () => this.ack !== undefined && this.ack.syncedSequence >= BigInt(sequence),
      () => `${this.ack?.syncedSequence} ${this.ending?.details}`,
    );
  }

  ended(): Promise<Ending> {
    return waitFor("the call's end", () => this.ending);
  }
}
