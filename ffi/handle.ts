/** A pointer that the library gave out, and the text that it takes. */

import { check } from "./errors.ts";
import type { NativeSymbols } from "./symbols.ts";

const encoder = new TextEncoder();

/** A NUL-terminated copy of `text`. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text + "\0");
}

/** Calls `open` with room for one pointer and returns what was put there. Throws when `open` fails. */
export function openHandle(
  native: NativeSymbols,
  open: (out: BigUint64Array<ArrayBuffer>) => number,
): Deno.PointerObject {
  const out = new BigUint64Array(1);
  check(native, open(out));
  return Deno.UnsafePointer.create(out[0]!)!;
}

/** Throws when a handle is used after it was closed: the library would touch freed memory. */
export function alive(pointer: Deno.PointerObject | null, what: string): Deno.PointerObject {
  if (pointer === null) throw new Error(`${what} is closed`);
  return pointer;
}
