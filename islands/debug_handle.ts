/**
 * `telebridge.snapshot()` in the browser's console: the viewer's figures as plain data, read-only. Tests and benchmarks
 * read the same.
 */

import type { RunSummary } from "../proto/wire.ts";
import type { ViewerStatus } from "../viewer/messages.ts";
import type { ViewerClient } from "./viewer_client.ts";

export interface DebugHandle {
  /** State, HUD values, frame counters and latencies (ms) as of the last tenth of a second. null before the first. */
  snapshot(): (ViewerStatus & { runs: RunSummary[] }) | null;
}

declare global {
  var telebridge: DebugHandle;
}

export function exposeDebugHandle(client: ViewerClient): void {
  const handle: DebugHandle = Object.freeze({
    snapshot() {
      const status = client.status.peek();
      return status === null
        ? null
        : structuredClone({ ...status, runs: client.runs.peek() ?? [] });
    },
  });
  Object.defineProperty(globalThis, "telebridge", { value: handle, enumerable: true });
}
