/** The durable lane as the rest of `serve` sees it; the ingest process is behind it (supervisor.ts). */

import type { RowKind, SampleColumns } from "../storage/records.ts";
import type {
  DurableState,
  JournalAnswer,
  JournalMessage,
  MetricValue,
  RemoteWorker,
  RoutePreference,
} from "./feed.ts";

export interface DurableListener {
  onState?(state: DurableState): void;
  onWorkers?(workers: readonly RemoteWorker[]): void;
  /** Rows of a followed run were committed. */
  onCommits?(
    runId: string,
    rows: Partial<Record<RowKind, number>>,
    samples: SampleColumns | null,
  ): void;
  /** Commits of a followed run were left out. */
  onMissed?(runId: string): void;
  /** Runs were made, ended, tagged or deleted. */
  onRuns?(): void;
  onJournal?(answer: JournalAnswer): void;
  /** An ingest process is ready that knows nothing yet. */
  onReady?(): void;
  /** Somebody prefers another way for the run's pictures. */
  onRoute?(runId: string, prefer: RoutePreference): void;
}

/** Where clients find gRPC. */
export interface GrpcEndpoints {
  unixSocket: string | null;
  /** On loopback. */
  port: number | null;
  /** For other machines. */
  remote: { host: string; port: number; certificatePem: string } | null;
}

export interface DurableLane {
  readonly state: DurableState;
  readonly workers: readonly RemoteWorker[];
  readonly endpoints: GrpcEndpoints;
  /** The ingest process's own, as of the last second. */
  readonly metrics: readonly MetricValue[];
  /** Times that the ingest process was started again. */
  readonly restarts: number;
  listen(listener: DurableListener): void;
  /** Whose commits are wanted. */
  setFollowed(runIds: ReadonlySet<string>): void;
  /** Which runs somebody watches. */
  setWatched(runIds: ReadonlySet<string>): void;
  preferRoute(runId: string, prefer: RoutePreference): void;
  routeOf(runId: string): RoutePreference;
  /** A named command for a run's worker; rejects with a reason for people. */
  command(runId: string, name: string, argsJson: string): Promise<string>;
}

/** How `serve` tells of runs itself. */
export interface JournalLane {
  /** Lost where no ingest process is ready. */
  journal(message: JournalMessage): void;
  listen(listener: Pick<DurableListener, "onJournal" | "onReady">): void;
}
