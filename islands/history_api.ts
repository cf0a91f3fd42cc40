/** What was stored, read from `/api/history/…`. */

import {
  decodeF64,
  type StoredEpisodesPage,
  type StoredLogsPage,
  type StoredRunDetails,
  type StoredRunsPage,
  type StoredWindows,
} from "../proto/wire.ts";
import { bodyOf, request } from "./request.ts";

/** Columns of one series, in order of time; {@link import("../proto/wire.ts").StoredWindow} with its numbers decoded. */
export interface SeriesColumns {
  /** Seconds since 1970. */
  timeS: ArrayLike<number>;
  /** NaN where there is none. */
  step: ArrayLike<number>;
  value: ArrayLike<number>;
  /** Least and greatest of what each point stands for; null: each is one sample. */
  min: ArrayLike<number> | null;
  max: ArrayLike<number> | null;
}

export interface SeriesWindow extends SeriesColumns {
  name: string;
  /** That the points stand for. */
  samples: number;
}

/** Of a chart, seconds since 1970. */
export interface TimeRange {
  fromS: number;
  toS: number;
}

const LOGS_PAGE_MAX = 1_000;
const EPISODES_PAGE_MAX = 2_000;

type Query = Record<string, string | number | string[] | null | undefined>;

/** null where there is no such thing. Throws an error with a message for people. */
async function get<Body>(path: string, query: Query): Promise<Body | null> {
  const url = new URL(`/api/history/${path}`, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const one of [value].flat()) url.searchParams.append(name, String(one));
  }
  const response = await request(url);
  if (response.status === 404) return null;
  return await bodyOf(response);
}

const runPath = (run: string) => `runs/${encodeURIComponent(run)}`;

export async function fetchStoredRuns(
  options: { tag: string | null; word: string[]; after: string | null; limit: number },
): Promise<StoredRunsPage> {
  return await get<StoredRunsPage>("runs", options) ?? { runs: [], next: null };
}

/** null: nothing is stored of this run. */
export function fetchStoredRun(run: string): Promise<StoredRunDetails | null> {
  return get(runPath(run), { optional: 1 });
}

/** At most about `points` points of each series; without a range all of it. */
export async function fetchWindows(
  run: string,
  options: { series: string[]; range: TimeRange | null; points: number },
): Promise<SeriesWindow[]> {
  const { series, range, points } = options;
  const query = { series, points, from: range?.fromS, to: range?.toS };
  const body = await get<StoredWindows>(`${runPath(run)}/windows`, query);
  return (body?.windows ?? []).map(({ name, samples, ...columns }) => ({
    name,
    samples,
    timeS: decodeF64(columns.timeUnixS),
    step: decodeF64(columns.step),
    value: decodeF64(columns.value),
    min: columns.min === undefined ? null : decodeF64(columns.min),
    max: columns.max === undefined ? null : decodeF64(columns.max),
  }));
}

export function fetchLogs(
  run: string,
  from: { after: string } | { tail: number },
): Promise<StoredLogsPage | null> {
  return get(`${runPath(run)}/logs`, "after" in from ? { ...from, limit: LOGS_PAGE_MAX } : from);
}

export function fetchEpisodes(
  run: string,
  after: string | null,
): Promise<StoredEpisodesPage | null> {
  return get(`${runPath(run)}/episodes`, { after, limit: EPISODES_PAGE_MAX });
}

/** Where the bytes of a checkpoint are. */
export function checkpointUrl(run: string, sha256: string): string {
  return `/api/history/${runPath(run)}/checkpoints/${sha256}`;
}
