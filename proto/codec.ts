/** Messages as bytes: head, JSON and binary bodies. */

import { HEAD_BYTES, type MessageType } from "./messages.ts";
/** A message whose body is a view into the bytes it came in. */
export interface Message {
  type: number;
  handle: number;
  body: Uint8Array<ArrayBuffer>;
}

/** Bytes that are no message of this protocol. */
export class WireError extends Error {
  override name = "WireError";
}

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { fatal: true });

/** A view of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes a message's head over the first 8 bytes of `message`, whose length is the message's. */
export function writeHead(message: Uint8Array, type: MessageType, handle: number): void {
  const view = viewOf(message);
  view.setUint32(0, message.byteLength - 4, true);
  view.setUint8(4, type);
  view.setUint8(5, 0);
  view.setUint16(6, handle, true);
}

/** A message with a JSON body. */
export function encodeJson(
  type: MessageType,
  handle: number,
  body: unknown,
): Uint8Array<ArrayBuffer> {
  return encodeBinary(type, handle, textEncoder.encode(JSON.stringify(body)));
}

/** A message with a body of bytes, copied. */
export function encodeBinary(
  type: MessageType,
  handle: number,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEAD_BYTES + body.byteLength);
  message.set(body, HEAD_BYTES);
  writeHead(message, type, handle);
  return message;
}

/** Reads one whole message. Throws {@link WireError} when its length is not that of `bytes`. */
export function decodeMessage(bytes: Uint8Array<ArrayBuffer>): Message {
  if (bytes.byteLength < HEAD_BYTES) {
    throw new WireError(`a message has at least ${HEAD_BYTES} bytes, got ${bytes.byteLength}`);
  }
  const view = viewOf(bytes);
  const announced = view.getUint32(0, true) + 4;
  if (announced !== bytes.byteLength) {
    throw new WireError(`a message of ${bytes.byteLength} bytes announces ${announced}`);
  }
  return {
    type: view.getUint8(4),
    handle: view.getUint16(6, true),
    body: bytes.subarray(HEAD_BYTES),
  };
}

/** Parses a JSON body. What comes back is unchecked: the server validates it with a schema. */
export function decodeJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(textDecoder.decode(body));
  } catch (error) {
    throw new WireError(`a body that should be JSON is not: ${(error as Error).message}`);
  }
}

/** A view of a body that has at least `bytes`; throws {@link WireError} otherwise. */
export function requireBytes(what: string, body: Uint8Array, bytes: number): DataView {
  if (body.byteLength < bytes) {
    throw new WireError(`${what} has ${bytes} bytes, got ${body.byteLength}`);
  }
  return viewOf(body);
}
