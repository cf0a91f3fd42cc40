/** The rows of the runs page. */

import type { RunSummary } from "../proto/wire.ts";
import type { Channels } from "./channels.ts";
import { messageOf } from "./errors.ts";
import type { RunRegistry } from "./registry.ts";

/** Newest first. A run whose ring turns out to be damaged fails on the way. */
export function summarize(
  registry: RunRegistry,
  channels: Channels,
  nowMs: number,
): RunSummary[] {
  return registry.list().map((run) => {
    const viewers = channels.viewersCount(run.id);
    try {
      return run.summary(viewers, nowMs);
    } catch (error) {
      registry.fail(run.segment, messageOf(error));
      return run.summary(viewers, nowMs);
    }
  });
}
