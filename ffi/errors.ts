/** Native failures become exceptions here, once. */

import type { NativeSymbols } from "./symbols.ts";

/** Linux errno values that telebridge.h names. */
const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  5: "EIO",
  10: "ECHILD",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  14: "EFAULT",
  16: "EBUSY",
  17: "EEXIST",
  19: "ENODEV",
  22: "EINVAL",
  24: "EMFILE",
  28: "ENOSPC",
  71: "EPROTO",
  90: "EMSGSIZE",
  95: "ENOTSUP",
  105: "ENOBUFS",
  110: "ETIMEDOUT",
  116: "ESTALE",
};

/** A call of the native library failed. `code` is the errno's name, `message` what was done with what. */
export class TelebridgeError extends Error {
  override name = "TelebridgeError";
  readonly code: string;

  constructor(errno: number, message: string) {
    super(message);
    this.code = errnoName(errno);
  }
}

export function errnoName(errno: number): string {
  return ERRNO_NAMES[errno] ?? `errno ${errno}`;
}

/** Returns `result` when it is not negative, else throws with the library's own words. */
export function check(native: NativeSymbols, result: number): number {
  if (result >= 0) return result;
  const message = native.tele_error_message();
  throw new TelebridgeError(
    -result,
    message === null ? errnoName(-result) : Deno.UnsafePointerView.getCString(message),
  );
}

/** As {@link check}, for a call that ran on another thread, whose words cannot be had here. */
export function checkNonblocking(what: string, result: number): number {
  if (result >= 0) return result;
  throw new TelebridgeError(-result, `${what} failed: ${errnoName(-result)}`);
}
