/** The rows of the runs page. */

import type { RunSummary } from "../proto/wire.ts";
import type { Channels } from "./channels.ts";
import type { RemoteWorker } from "./durable/feed.ts";
import { messageOf } from "./errors.ts";
import type { RunRegistry } from "./registry.ts";

/**
 * Newest first. A run whose ring turns out to be damaged fails on the way. Workers elsewhere whose pictures nobody has
 * asked for yet are idle runs: somebody must see them to ask.
 */
export function summarize(
  registry: RunRegistry,
  channels: Channels,
  nowMs: number,
  workers: readonly RemoteWorker[] = [],
): RunSummary[] {
  const unseen = summarizeUnseen(registry, channels, workers);
  const unseenIds = new Set(unseen.map(({ id }) => id));
  const seen = summarizeSeen(registry, channels, nowMs).filter(({ id }) => !unseenIds.has(id));
  return [...unseen, ...seen];
}

function summarizeUnseen(
  registry: RunRegistry,
  channels: Channels,
  workers: readonly RemoteWorker[],
): RunSummary[] {
  const unseen = workers.filter(({ runId, hasPictures, ringVisible }) =>
    hasPictures && !ringVisible && registry.get(runId)?.reader == null
  );
  const byRun = new Map(unseen.map((worker) => [worker.runId, worker]));
  return [...byRun.values()].map(({ runId, connectedAtMs }): RunSummary => ({
    id: runId,
    phase: "idle",
    pid: 0,
    startedAtMs: connectedAtMs,
    frames: 0,
    framesPerSecond: 0,
    viewers: channels.viewersCount(runId),
  })).sort((a, b) => b.startedAtMs - a.startedAtMs);
}

function summarizeSeen(registry: RunRegistry, channels: Channels, nowMs: number): RunSummary[] {
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
