/**
 * What stores rows: the SQLite store (sqlite_store.ts) and the one in memory (memory_store.ts) behind one interface, and
 * one suite of tests for both (tests/unit/storage_suite.ts).
 */

import type {
  CheckpointRow,
  EpisodeRow,
  HistogramRow,
  LogRow,
  ParamRow,
  RowBatch,
  RowKind,
  RunRecord,
  RunState,
  SampleColumns,
  StepColumns,
  StreamKey,
} from "./records.ts";

/** What became of one message's rows. */
export type BatchResult =
  /** All of its rows are stored now, or were already. `committed` is the last sequence of the stream and kind. */
  | { outcome: "committed"; committed: bigint; rowsNew: number }
  /** `firstSequence` is beyond the next one that is due; nothing was stored. */
  | { outcome: "gap"; committed: bigint }
  /** The message cannot be stored, now or ever (a value that the schema refuses, a run that was deleted). */
  | { outcome: "refused"; reason: string };

/** Nothing can be stored at the moment: disk full, I/O error, locked. Nothing of the transaction was stored. */
export class StoreUnavailable extends Error {
  override name = "StoreUnavailable";
  constructor(readonly why: "full" | "io" | "locked" | "corrupt", message: string) {
    super(message);
  }
}

/** The run was deleted, and a client process that wrote to it is still there; a new process may make it anew. */
export class RunDeleted extends Error {
  override name = "RunDeleted";
  constructor(runId: string) {
    super(`run ${runId} was deleted`);
  }
}

export interface RunRegistration {
  stream: StreamKey;
  startTimeUnixNs: bigint;
  tags: string[];
  metadataJson: string;
}

/** The one writer of a data directory. Everything is synchronous: it lives in a worker of its own. */
export interface StoreWriter extends Disposable {
  /**
   * Makes the run or takes it up again (running). Returns how far the stream has come, for each kind. Throws
   * {@link RunDeleted} for a stream of a run of this name that was deleted.
   */
  registerRun(registration: RunRegistration): {
    created: boolean;
    committed: Record<RowKind, bigint>;
  };
  /** Returns whether there is such a run. */
  finishRun(runId: string, end: { timeUnixNs: bigint; state: RunState; reason: string }): boolean;
  /** Returns null where there is no such run. */
  updateRun(
    runId: string,
    change: { addTags?: string[]; removeTags?: string[]; note?: string },
  ): RunRecord | null;
  /**
   * Returns what was removed, null where there is no such run. Nobody reads it from then on; its rows leave the file in
   * idle(), some at a time. Files of checkpoints are not the store's.
   */
  deleteRun(runId: string): Record<RowKind, number> | null;

  /**
   * One transaction of many messages, in order. The results are in the messages' order. Throws {@link StoreUnavailable};
   * then nothing of it was stored. A message that is refused does not keep the others from being stored, but later ones
   * of its stream and kind are gaps then.
   */
  commit(batches: readonly RowBatch[]): BatchResult[];

  /**
   * Resolves when all that was committed before the call has been fdatasynced. May run while further batches are
   * committed. Rejects with {@link StoreUnavailable}.
   */
  sync(): Promise<void>;

  /** Writes as a commit does, and changes nothing. Throws {@link StoreUnavailable} where rows could not be stored. */
  probe(): void;

  /**
   * Housekeeping off the write path: a passive checkpoint, compaction of samples, rollups. Does at most a few ms of work
   * and returns whether there is more. Called when no batch waits.
   */
  idle(): boolean;

  /** What /metrics shows. */
  stats(): StoreStats;
}

export interface StoreStats {
  databaseBytes: number;
  walBytes: number;
  /** Samples that are rows still, not chunks. */
  samplesUncompacted: number;
  checkpoints: number;
  /** Duration of the longest checkpoint since the last call, ms. */
  checkpointMsMax: number;
  /** A reader that keeps the WAL from being checkpointed, its pid where it can be told; null = none. */
  walHeldBy: { pid: number | null; bytes: number } | null;
}

/** Where a page of rows starts: after this row. Made by a reader, opaque to others. */
export type Cursor = string;

export interface Page<Rows> {
  rows: Rows;
  /** null: there are no more rows now. */
  next: Cursor | null;
  /** Where to go on for what is committed later, also when `next` is null. */
  end: Cursor;
}

/** Rows of a run from a point on; both bounds inclusive, null = none. */
export interface RowRange {
  fromStep?: bigint | null;
  toStep?: bigint | null;
  fromTimeUnixNs?: bigint | null;
  toTimeUnixNs?: bigint | null;
  fromEpisode?: bigint | null;
  toEpisode?: bigint | null;
}

export interface SeriesInfo {
  name: string;
  samples: number;
  firstTimeUnixNs: bigint;
  lastTimeUnixNs: bigint;
  lastValue: number;
}

/** Samples of one series, in order of time. Without `min` and `max`: the samples themselves. */
export interface SeriesWindow {
  name: string;
  /** Seconds since 1970, f64: good to 0.2 µs, enough to draw. Of a bucket: its middle. */
  timeUnixS: Float64Array<ArrayBuffer>;
  /** NaN where there is none. */
  step: Float64Array<ArrayBuffer>;
  /** The sample, or the bucket's mean. */
  value: Float64Array<ArrayBuffer>;
  /** Least and greatest value of each bucket, when there were more samples than points asked for. */
  min?: Float64Array<ArrayBuffer>;
  max?: Float64Array<ArrayBuffer>;
  /** Samples in the range. */
  samples: number;
}

export interface RunsQuery {
  /** A run has all of them. */
  tags?: string[];
  /** Each stands in the run's id, its state, its note or one of its tags; ASCII letters in either case. */
  words?: string[];
  limit?: number;
  after?: Cursor;
}

/** Reads a data directory, while somebody else writes or not. A snapshot lives for one call. */
export interface StoreReader extends Disposable {
  /** Newest first. */
  runs(options?: RunsQuery): Page<RunRecord[]>;
  run(runId: string): RunRecord | null;
  /** The last value of each key, in the order in which they were given. */
  params(runId: string): ParamRow[];
  series(runId: string): SeriesInfo[];

  /** In order of commit, which is that of time for one client. At most `limit` rows a page, fewer where they are large. */
  steps(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<StepColumns>;
  episodes(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<EpisodeRow[]>;
  /** Raw samples, compacted or not, in order of commit. `series`: null = all. */
  samples(
    runId: string,
    range: RowRange,
    after: Cursor | null,
    limit: number,
    series?: readonly string[] | null,
  ): Page<SampleColumns>;
  logs(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<LogRow[]>;
  /** The newest `limit` lines, oldest first. */
  lastLogs(runId: string, limit: number): Page<LogRow[]>;
  histograms(
    runId: string,
    series: string | null,
    after: Cursor | null,
    limit: number,
  ): Page<HistogramRow[]>;
  checkpoints(runId: string): CheckpointRow[];

  /** For charts: at most about `pointsMax` points of each series, raw where there are few, else min/max/mean buckets. */
  windows(
    runId: string,
    series: readonly string[] | null,
    range: { fromTimeUnixNs: bigint | null; toTimeUnixNs: bigint | null },
    pointsMax: number,
  ): SeriesWindow[];
}
