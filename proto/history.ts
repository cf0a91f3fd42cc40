/**
 * What was stored of runs, as pages read it: JSON of `/api/history/…`, and the Commits messages of the live wire. Arrays
 * of numbers are base64 of their little-endian f64, since JSON has no NaN and no infinities. Times of rows are ms since
 * 1970, of samples seconds.
 */

/** base64 of a little-endian Float64Array. */
export type F64 = string;

/**
 * `GET /api/history/runs?tag=…&word=…&after=…&limit=…`, newest first: runs that have every tag, and every word in their
 * name, state, note or tags.
 */
export interface StoredRunsPage {
  runs: StoredRun[];
  next: string | null;
}

export interface StoredRun {
  id: string;
  state: "running" | "finished" | "failed" | "lost";
  startedAtMs: number;
  /** Of the newest row; null = none. */
  lastRowAtMs: number | null;
  endedAtMs: number | null;
  tags: string[];
  note: string;
  reason: string;
  rows: StoredRowCounts;
}

export interface StoredRowCounts {
  steps: number;
  episodes: number;
  samples: number;
  logs: number;
  params: number;
  histograms: number;
  checkpoints: number;
}

/**
 * `GET /api/history/runs/ID`: 404 where nothing is stored of it, null with `?optional=1`; `…/checkpoints/SHA256` are the
 * bytes of one of its files.
 */
export interface StoredRunDetails extends StoredRun {
  series: StoredSeries[];
  params: { key: string; valueJson: string }[];
  metadata: Record<string, unknown>;
  checkpoints: {
    name: string;
    step: number | null;
    sizeBytes: number;
    sha256: string;
    atMs: number;
  }[];
}

export interface StoredSeries {
  name: string;
  samples: number;
  lastValue: F64;
}

/** `GET /api/history/runs/ID/windows?series=…&series=…&from=SECONDS&to=SECONDS&points=2000`; no series: all. */
export interface StoredWindows {
  windows: StoredWindow[];
}

/** At most about `points` points; with `min` and `max` where each stands for many samples. */
export interface StoredWindow {
  name: string;
  timeUnixS: F64;
  step: F64;
  value: F64;
  min?: F64;
  max?: F64;
  samples: number;
}

/** `GET /api/history/runs/ID/logs?after=…&limit=…`, oldest first; `tail=N`: the last N. */
export interface StoredLogsPage {
  logs: { atMs: number; level: number; source: string; text: string; step: number | null }[];
  next: string | null;
  /** Where to go on later. */
  end: string;
}

/** `GET /api/history/runs/ID/episodes?after=…&limit=…` */
export interface StoredEpisodesPage {
  episodes: {
    episode: number;
    endedAtMs: number;
    length: number;
    episodeReturn: F64;
    terminated: boolean;
    truncated: boolean;
  }[];
  next: string | null;
  /** Where to go on later. */
  end: string;
}

/** Viewer to server: the run whose commits this session wants; null: none. */
export interface Follow {
  run: string | null;
}

/** Server to viewer, at most ten a second: what was committed of the followed run since the last one. */
export interface Commits {
  run: string;
  rows: Partial<StoredRowCounts>;
  /** Rows were left out: read them from /api/history. */
  missed: boolean;
  samples: { name: string; timeUnixS: F64; step: F64; value: F64 }[];
}

/** Server to viewer, on every change and after the greeting. */
export interface Durable {
  state: "ok" | "slow" | "failing" | "down";
  reason: string;
  /** Changes when stored runs are made, ended, tagged or deleted: who shows them reads them again. */
  runsVersion: number;
  /** How pictures of runs with a connected worker come. */
  routes: {
    run: string;
    ringVisible: boolean;
    publishesFrames: boolean;
    prefer: "auto" | "ring" | "grpc";
  }[];
}

/** Viewer to server: which way this run's pictures shall come, for all who watch it. Needs control access. */
export interface Route {
  run: string;
  prefer: "auto" | "ring" | "grpc";
}
