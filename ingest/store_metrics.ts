/** The store's numbers for /metrics. */

import { ROW_KINDS, type RowKind } from "../core/storage/records.ts";
import type { IngestContext } from "./context.ts";
import type { Count } from "./metrics.ts";

const BATCH_BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export function observeStore({ metrics, store, bus }: IngestContext): void {
  const batches = metrics.durations("batch", "Time that a commit took.", BATCH_BOUNDS_S);
  const syncs = metrics.durations("sync", "Time that a sync took.", BATCH_BOUNDS_S);
  const rowsStored = Object.fromEntries(
    ROW_KINDS.map((kind) => [kind, metrics.counter("rows", "Rows stored.", { kind })]),
  ) as Record<RowKind, Count>;
  const acks = metrics.counter("row_acks", "Commits that were acknowledged to clients.");
  store.listen({
    onCommit: ({ rows, seconds }) => {
      batches.observe(seconds);
      acks.add();
      for (const [kind, count] of Object.entries(rows)) rowsStored[kind as RowKind].add(count);
    },
    onSynced: (_, seconds) => syncs.observe(seconds),
  });
  metrics.gauge("ingest_queue_rows", "Rows that wait for the store.", () => store.rowsWaiting);
  metrics.gauge(
    "ingest_queue_bytes",
    "Memory of rows that wait for the store or are with it.",
    () => store.queuedBytes,
  );
  metrics.gauge("run_subscribers", "Subscriptions to commits of runs.", () => bus.subscribers);
  metrics.gauge("store_failing", "1 while nothing can be stored.", () => store.failing ? 1 : 0);
  const stats = (name: string, help: string, read: () => number | undefined) =>
    metrics.gauge(name, help, () => read() ?? 0);
  stats("database_bytes", "Size of the database.", () => store.stats?.databaseBytes);
  stats("wal_bytes", "Size of the write-ahead log.", () => store.stats?.walBytes);
  stats(
    "samples_uncompacted",
    "Samples that are rows still.",
    () => store.stats?.samplesUncompacted,
  );
  metrics.observed(
    "checkpoints",
    "Checkpoints of the write-ahead log.",
    () => store.stats?.checkpoints ?? 0,
  );
  stats(
    "checkpoint_pause_seconds",
    "The longest checkpoint of the last second.",
    () => (store.stats?.checkpointMsMax ?? 0) / 1000,
  );
}
