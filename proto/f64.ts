/** Columns of numbers inside JSON, which has no NaN and no infinities: base64 of little-endian f64. */

import { WireError } from "./codec.ts";
import type { F64 } from "./history.ts";

const BYTES_PER_NUMBER = Float64Array.BYTES_PER_ELEMENT;

export function encodeF64(values: Float64Array<ArrayBuffer>): F64 {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).toBase64();
}

/** Throws {@link WireError} for what is not base64 of whole numbers. */
export function decodeF64(text: F64): Float64Array<ArrayBuffer> {
  let binary: string;
  try {
    // Every browser has this one; Uint8Array.fromBase64 is younger than many that are in use.
    binary = atob(text);
  } catch {
    throw new WireError("a column of numbers is not base64");
  }
  if (binary.length % BYTES_PER_NUMBER !== 0) {
    throw new WireError(`a column of ${binary.length} bytes is not whole numbers of 8`);
  }
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index);
  return new Float64Array(bytes.buffer);
}
