/**
 * Rows as the store takes and gives them: columns of one kind, one element a row. Times are CLOCK_REALTIME, ns since
 * 1970. The protocol's messages (proto/telebridge/v1/records.proto) say what each field means.
 */

/** Whose rows they are. */
export interface StreamKey {
  runId: string;
  /** 32 hexadecimal digits: the 16 bytes that a client process made. */
  streamId: string;
}

/** Stored in the order of this list, which is for good: its index is in the database. */
export const ROW_KINDS = [
  "steps",
  "episodes",
  "samples",
  "logs",
  "params",
  "histograms",
  "checkpoints",
] as const;
export type RowKind = typeof ROW_KINDS[number];

export interface StepColumns {
  step: BigUint64Array<ArrayBuffer>;
  timeUnixNs: BigInt64Array<ArrayBuffer>;
  episode: BigUint64Array<ArrayBuffer>;
  /** NaN where there is none. */
  reward: Float64Array<ArrayBuffer>;
  /** Bit 0 terminated, bit 1 truncated. */
  flags: Uint8Array<ArrayBuffer>;
  /** A JSON object or "" for each row; null: none has any. */
  extraJson: string[] | null;
}

export interface EpisodeRow {
  episode: bigint;
  startTimeUnixNs: bigint;
  endTimeUnixNs: bigint;
  firstStep: bigint;
  length: bigint;
  episodeReturn: number;
  terminated: boolean;
  truncated: boolean;
  extraJson: string;
}

/** The largest u64 stands for "this sample has no step". */
export const NO_STEP = 0xffff_ffff_ffff_ffffn;

export interface SampleColumns {
  /** Names of the series in this batch. */
  names: string[];
  /** Index into `names`. */
  series: Uint32Array<ArrayBuffer>;
  timeUnixNs: BigInt64Array<ArrayBuffer>;
  /** {@link NO_STEP} where there is none; null: none has one. */
  step: BigUint64Array<ArrayBuffer> | null;
  value: Float64Array<ArrayBuffer>;
}

export interface LogRow {
  timeUnixNs: bigint;
  /** 1 debug, 2 info, 3 warning, 4 error. */
  level: number;
  source: string;
  text: string;
  step: bigint | null;
}

export interface ParamRow {
  key: string;
  valueJson: string;
  timeUnixNs: bigint;
}

export interface HistogramRow {
  series: string;
  timeUnixNs: bigint;
  step: bigint | null;
  edges: Float64Array<ArrayBuffer>;
  counts: BigUint64Array<ArrayBuffer>;
}

export interface CheckpointRow {
  name: string;
  timeUnixNs: bigint;
  step: bigint | null;
  sizeBytes: bigint;
  /** 64 hexadecimal digits; names the file in the data directory. */
  sha256: string;
  metadataJson: string;
}

/** Columns of each kind of row. */
export interface RowsByKind {
  steps: StepColumns;
  episodes: EpisodeRow[];
  samples: SampleColumns;
  logs: LogRow[];
  params: ParamRow[];
  histograms: HistogramRow[];
  checkpoints: CheckpointRow[];
}

/** One message's rows; the store takes all of them or none. Passed to a worker by structured clone. */
export type RowBatch = {
  [K in RowKind]: {
    kind: K;
    stream: StreamKey;
    /** Of the first row; rows have no gaps. The first row of a stream and kind is 1. */
    firstSequence: bigint;
    /** Number of rows, at least 1. */
    count: number;
    rows: RowsByKind[K];
  };
}[RowKind];

export type RunState = "running" | "finished" | "failed" | "lost";

export interface RunRecord {
  runId: string;
  state: RunState;
  startTimeUnixNs: bigint;
  /** Of the newest row; 0 = none. */
  lastTimeUnixNs: bigint;
  /** 0 while it runs. */
  endTimeUnixNs: bigint;
  tags: string[];
  note: string;
  metadataJson: string;
  /** Why it failed; "" otherwise. */
  reason: string;
  counts: Record<RowKind, number>;
}
