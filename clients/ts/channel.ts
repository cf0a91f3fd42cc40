/** A gRPC connection: calls by the methods' descriptors, requests that are packed already as they are. */

import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ClientWritableStream,
  credentials,
  Metadata,
} from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { deferHttp2Close } from "../../proto/http2_close.ts";
import type { Endpoint } from "./discovery.ts";

type Method = { readonly name: string; readonly parent: { readonly typeName: string } };
type Packed = Uint8Array<ArrayBufferLike>;

function pathOf(method: Method): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** grpc-js wants Buffers; this one shares the bytes. */
function asBuffer(bytes: Packed): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function credentialsOf({ address, rootsPem }: Endpoint): ChannelCredentials {
  if (rootsPem === null) return credentials.createInsecure();
  const host = hostOf(address);
  return credentials.createSsl(Buffer.from(rootsPem), null, null, {
    checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
  });
}

/** Without port and brackets. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** A number is no server name (RFC 6066, section 3), and runtimes refuse it there: the certificate is checked for it. */
function serverName({ address, rootsPem }: Endpoint): Record<string, string> {
  const isNumber = rootsPem !== null && isIP(hostOf(address)) !== 0;
  return isNumber ? { "grpc.ssl_target_name_override": "localhost" } : {};
}

/** Calls that were half-closed are given so long to end before they are cancelled. */
const GOODBYE_MS_MAX = 1_000;

export class Channel implements AsyncDisposable {
  readonly #client: Client;
  readonly #open = new Set<{ cancel(): void }>();
  #onNoneOpen = () => {};
  readonly #metadata = new Metadata();

  constructor(endpoint: Endpoint) {
    deferHttp2Close();
    this.#client = new Client(endpoint.address, credentialsOf(endpoint), {
      // One connection each: grpc-js would share it with the one that has just failed.
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      ...(endpoint.address.startsWith("unix:") ? { "grpc.default_authority": "localhost" } : {}),
      ...serverName(endpoint),
    });
    if (endpoint.token !== null) this.#metadata.set("authorization", `Bearer ${endpoint.token}`);
  }

  /** Rejects with grpc-js' ServiceError. */
  ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs: number,
  ): Promise<MessageShape<O>> {
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    this.#client.makeUnaryRequest(
      pathOf(method),
      asBuffer,
      (bytes: Buffer) => fromBinary(method.output, bytes),
      toBinary(method.input, create(method.input, request)),
      this.#metadata,
      { deadline: Date.now() + timeoutMs },
      (error, answer) => error === null ? resolve(answer!) : reject(error),
    );
    return promise;
  }

  /** A call in both directions; what is written is packed already. */
  open<O extends DescMessage>(
    method: Method & { output: O },
  ): ClientDuplexStream<Packed, MessageShape<O>> {
    return this.#track(this.#client.makeBidiStreamRequest(
      pathOf(method),
      asBuffer,
      (bytes: Buffer) => fromBinary(method.output, bytes),
      this.#metadata,
    ));
  }

  /** A call with many requests and one answer. */
  upload<O extends DescMessage>(
    method: Method & { output: O },
    onAnswer: (error: Error | null, answer?: MessageShape<O>) => void,
  ): ClientWritableStream<Packed> {
    return this.#track(this.#client.makeClientStreamRequest(
      pathOf(method),
      asBuffer,
      (bytes: Buffer) => fromBinary(method.output, bytes),
      this.#metadata,
      {},
      onAnswer,
    ));
  }

  #track<Call extends ClientWritableStream<Packed> | ClientDuplexStream<Packed, unknown>>(
    call: Call,
  ): Call {
    this.#open.add(call);
    call.once("status", () => {
      this.#open.delete(call);
      if (this.#open.size === 0) this.#onNoneOpen();
    });
    return call;
  }

  async #noneOpen(timeoutMs: number): Promise<void> {
    if (this.#open.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onNoneOpen = resolve;
    const timer = setTimeout(resolve, timeoutMs);
    await promise;
    clearTimeout(timer);
  }

  /** Closes the connection once its calls, which their owners have half-closed, are over. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#noneOpen(GOODBYE_MS_MAX);
    for (const call of [...this.#open]) call.cancel();
    this.#client.close();
  }
}
