/** Another reader of a segment that is attached already: each thread reads through one of its own. */

import { TelebridgeError } from "../ffi/errors.ts";
import type { Library } from "../ffi/library.ts";
import type { RingReader } from "../ffi/reader.ts";

/** null: the name leads to no segment any more, or to another one. The registry finds that out by itself. */
export function openSegment(library: Library, runId: string, epochNs: bigint): RingReader | null {
  using undo = new DisposableStack();
  try {
    const reader = undo.use(library.openReader(runId));
    if (reader.epochNs !== epochNs) return null;
    undo.move();
    return reader;
  } catch (error) {
    if (error instanceof TelebridgeError && error.code === "ENOENT") return null;
    throw error;
  }
}
