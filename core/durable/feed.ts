/**
 * What `serve` and its ingest process say to one another, over the child's standard input and output: u32 length
 * (little-endian), then the message as `node:v8` serializes it. From the ingest process to `serve` messages about rows
 * may be dropped, since `serve` can read the rows.
 */

import type { LogRow, RowKind, SampleColumns } from "../storage/records.ts";

/** Largest message of either side. */
export const FEED_MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** What the ingest process is told when it starts: its first message. */
export interface IngestStart {
  type: "start";
  dataDir: string;
  /** Unix socket, 0600, in the data directory; null: none, since its path is longer than a socket address takes. */
  socketPath: string | null;
  /** TCP on loopback; 0 = any. */
  port: number;
  /** A further address for workers on other machines, with TLS; port 0 = any. null: none. */
  remote: { host: string; port: number; certificatePem: string; privateKeyPem: string } | null;
  controlToken: string;
  viewToken: string | null;
  libraryPath: string;
  batchRecords: number;
  batchMs: number;
  logLevel: string;
}

/** Which way a run's pictures come; auto: by the ring where it is seen. */
export type RoutePreference = "auto" | "ring" | "grpc";

/**
 * What `serve` itself has to say of a run: it makes the run or takes it up again, gives lines of its log, and ends it.
 * Each message is answered by a {@link JournalAnswer} before the next one of the run is sent.
 */
export type JournalMessage =
  & {
    runId: string;
    /** 32 hexadecimal digits. */
    streamId: string;
  }
  & (
    /** Before anything else, and again to another ingest process. */
    | { type: "journal-open"; startTimeUnixNs: bigint; metadataJson: string }
    | { type: "journal-lines"; firstSequence: bigint; lines: LogRow[] }
    | {
      type: "journal-close";
      timeUnixNs: bigint;
      state: "finished" | "failed";
      reason: string;
    }
  );

export interface JournalAnswer {
  type: "journal";
  runId: string;
  streamId: string;
  /** `opened`, `closed`: as it was asked to. `gone`: the run was deleted. `failed`: nothing can be stored now. */
  outcome: "opened" | "committed" | "closed" | "gone" | "failed";
  /** Of `opened` and `committed`: the last line that is stored. */
  committed: bigint;
}

export type ToIngest =
  | IngestStart
  | JournalMessage
  /** The commits of these runs are wanted, and nobody else's. */
  | { type: "follow"; runIds: string[] }
  /** Somebody watches these runs: their pictures are wanted. */
  | { type: "watch"; runIds: string[] }
  | { type: "route"; runId: string; prefer: RoutePreference }
  | { type: "command"; id: number; runId: string; name: string; argsJson: string }
  | { type: "stop" };

/** The state of the durable lane, for /healthz and the page. */
export interface DurableState {
  /** down: the ingest process is not running, and is being started again. */
  state: "ok" | "slow" | "failing" | "down";
  /** For people; "" when all is well. */
  reason: string;
}

/** A worker's control stream. */
export interface RemoteWorker {
  runId: string;
  /** When it said hello. */
  connectedAtMs: number;
  /** It has pictures to show: a ring, here or elsewhere, or it has published some by gRPC. */
  hasPictures: boolean;
  /** This machine sees its ring. */
  ringVisible: boolean;
  /** Its pictures come by gRPC now. */
  publishesFrames: boolean;
  /** Run id of the segment that they are published in. */
  segment: string | null;
  commands: string[];
}

export type FromIngest =
  | JournalAnswer
  | { type: "ready"; port: number; remotePort: number | null; instance: string }
  | {
    type: "commits";
    runId: string;
    rows: Partial<Record<RowKind, number>>;
    samples: SampleColumns | null;
  }
  /** Some commits of a followed run were dropped here: read the rows. */
  | { type: "missed"; runId: string }
  /** Runs were made, ended, tagged or deleted. */
  | { type: "runs" }
  | { type: "state"; state: DurableState }
  | { type: "workers"; workers: RemoteWorker[] }
  | { type: "command-reply"; id: number; ok: boolean; resultJson: string }
  /** Once a second; names and labels are those of /metrics. */
  | { type: "metrics"; values: MetricValue[] };

export interface MetricValue {
  name: string;
  help: string;
  kind: "counter" | "gauge" | "histogram";
  labels: Record<string, string>;
  /** A histogram's is the sum. */
  value: number;
  /** Of a histogram: upper bounds (s) and cumulative counts, +Inf last. */
  buckets?: [le: number, count: number][];
}
