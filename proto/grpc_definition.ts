/**
 * A service of the durable lane's protocol as gRPC libraries for JavaScript take it (`@grpc/grpc-js` and its kin), for
 * servers and clients alike. Made from the compiled descriptors, so that no stub is generated and this needs no gRPC. Not
 * for browsers.
 */

import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Buffer } from "node:buffer";

/** One method, in the shape of grpc-js's `MethodDefinition`. What is sent may be given without its defaults. */
export interface GrpcMethodDefinition<Input extends DescMessage, Output extends DescMessage> {
  /** `/telebridge.v1.RunService/GetRun` */
  path: string;
  requestStream: boolean;
  responseStream: boolean;
  requestSerialize(message: MessageInitShape<Input>): Buffer;
  requestDeserialize(bytes: Uint8Array): MessageShape<Input>;
  responseSerialize(message: MessageInitShape<Output>): Buffer;
  responseDeserialize(bytes: Uint8Array): MessageShape<Output>;
}

/** By the name that `@bufbuild/protobuf` gives a method: the one of the .proto file, beginning in lower case. */
export type GrpcServiceDefinition<Service extends DescService> = {
  [Name in keyof Service["method"]]: Service["method"][Name] extends DescMethod
    ? GrpcMethodDefinition<Service["method"][Name]["input"], Service["method"][Name]["output"]>
    : never;
};

/** `grpcDefinition(PublishService)` for `server.addService` and `makeGenericClientConstructor`. */
export function grpcDefinition<Service extends DescService>(
  service: Service,
): GrpcServiceDefinition<Service> {
  const entries = service.methods.map((method) => [method.localName, methodDefinition(method)]);
  return Object.fromEntries(entries) as GrpcServiceDefinition<Service>;
}

function methodDefinition(method: DescMethod): GrpcMethodDefinition<DescMessage, DescMessage> {
  const { methodKind, input, output, parent, name } = method;
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestSerialize: (message) => serialize(input, message),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => serialize(output, message),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

function serialize(schema: DescMessage, message: MessageInitShape<DescMessage>): Buffer {
  const bytes = toBinary(schema, create(schema, message));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
