/** Services as their handlers are written here: promises for single answers, errors with a status. */

import type { DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import { grpcDefinition } from "../proto/grpc_definition.ts";

const logger = getLogger(["telebridge", "ingest"]);

/** A call that ends with a status other than OK; the message is for people. */
export class GrpcError extends Error {
  override name = "GrpcError";
  readonly metadata: grpc.Metadata;

  constructor(
    readonly code: grpc.status,
    message: string,
    trailers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.metadata = new grpc.Metadata();
    for (const [name, value] of Object.entries(trailers)) this.metadata.set(name, value);
  }

  /** What grpc-js sends. */
  get details(): string {
    return this.message;
  }
}

/** What a handler that failed answers: its status, or INTERNAL for a bug, which is logged. */
export function grpcErrorOf(error: unknown, path: string): GrpcError {
  if (error instanceof GrpcError) return error;
  logger.error`${path} failed: ${error}`;
  return new GrpcError(grpc.status.INTERNAL, "a failure of the server; its log has more");
}

type In<Method extends DescMethod> = MessageShape<Method["input"]>;
type Out<Method extends DescMethod> = MessageInitShape<Method["output"]>;

export type Handler<Method extends DescMethod> = Method["methodKind"] extends "unary" ? (
    request: In<Method>,
    call: grpc.ServerUnaryCall<In<Method>, Out<Method>>,
  ) => Promise<Out<Method>>
  : Method["methodKind"] extends "client_streaming"
    ? (call: grpc.ServerReadableStream<In<Method>, Out<Method>>) => Promise<Out<Method>>
  : Method["methodKind"] extends "server_streaming"
    ? (call: grpc.ServerWritableStream<In<Method>, Out<Method>>) => Promise<void>
  : (call: grpc.ServerDuplexStream<In<Method>, Out<Method>>) => void;

/** Handlers of a service, by method. One that is absent answers UNIMPLEMENTED. */
export type Handlers<Service extends DescService> = {
  [Name in keyof Service["method"]]?: Handler<Service["method"][Name]>;
};

/**
 * Adds a service. Handlers of answers that are awaited end their call by returning or throwing; those of streams in both
 * directions end it themselves (`call.end()`, {@link endWithError}).
 */
export function addService<Service extends DescService>(
  server: grpc.Server,
  service: Service,
  handlers: Handlers<Service>,
): void {
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const handler = handlers[method.localName as keyof Service["method"]];
    if (handler !== undefined) implementation[method.localName] = adapt(method, handler as never);
  }
  // Its functions take what the descriptor says; grpc-js's type knows only `any` and Buffer.
  const definition = grpcDefinition(service) as unknown as grpc.ServiceDefinition;
  server.addService(definition, implementation);
}

export function endWithError(
  call: grpc.ServerDuplexStream<unknown, unknown>,
  error: unknown,
): void {
  call.emit("error", grpcErrorOf(error, call.getPath()));
}

// deno-lint-ignore no-explicit-any -- the four kinds of handlers meet here
type AnyHandler = (...args: any[]) => any;

function adapt(method: DescMethod, handler: AnyHandler): grpc.UntypedHandleCall {
  switch (method.methodKind) {
    case "unary":
      return (
        call: grpc.ServerUnaryCall<unknown, unknown>,
        callback: grpc.sendUnaryData<unknown>,
      ) => answer(handler(call.request, call), callback, call.getPath());
    case "client_streaming":
      return (
        call: grpc.ServerReadableStream<unknown, unknown>,
        callback: grpc.sendUnaryData<unknown>,
      ) => answer(handler(call), callback, call.getPath());
    case "server_streaming":
      return async (call: grpc.ServerWritableStream<unknown, unknown>) => {
        try {
          await handler(call);
          call.end();
        } catch (error) {
          if (!call.cancelled) call.emit("error", grpcErrorOf(error, call.getPath()));
        }
      };
    case "bidi_streaming":
      return (call: grpc.ServerDuplexStream<unknown, unknown>) => {
        try {
          handler(call);
        } catch (error) {
          endWithError(call, error);
        }
      };
  }
}

async function answer(
  promise: Promise<unknown>,
  callback: grpc.sendUnaryData<unknown>,
  path: string,
): Promise<void> {
  try {
    callback(null, await promise);
  } catch (error) {
    callback(grpcErrorOf(error, path));
  }
}
