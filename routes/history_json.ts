/** Rows as pages read them: proto/history.ts. */

import type { CheckpointRow, EpisodeRow, LogRow, RunRecord } from "../core/storage/records.ts";
import type { SeriesInfo, SeriesWindow } from "../core/storage/store.ts";
import { encodeF64 } from "../proto/f64.ts";
import type {
  StoredEpisodesPage,
  StoredLogsPage,
  StoredRun,
  StoredRunDetails,
  StoredSeries,
  StoredWindow,
} from "../proto/history.ts";

const NS_PER_MS = 1e6;

function ms(timeUnixNs: bigint): number {
  return Number(timeUnixNs) / NS_PER_MS;
}

/** 0 stands for none. */
function msIfAny(timeUnixNs: bigint): number | null {
  return timeUnixNs === 0n ? null : ms(timeUnixNs);
}

function numberIfAny(value: bigint | null): number | null {
  return value === null ? null : Number(value);
}

export function storedRun(run: RunRecord): StoredRun {
  return {
    id: run.runId,
    state: run.state,
    startedAtMs: ms(run.startTimeUnixNs),
    lastRowAtMs: msIfAny(run.lastTimeUnixNs),
    endedAtMs: msIfAny(run.endTimeUnixNs),
    tags: run.tags,
    note: run.note,
    reason: run.reason,
    rows: run.counts,
  };
}

export function storedSeries({ name, samples, lastValue }: SeriesInfo): StoredSeries {
  return { name, samples, lastValue: encodeF64(Float64Array.of(lastValue)) };
}

export function storedCheckpoint(
  row: CheckpointRow,
): StoredRunDetails["checkpoints"][number] {
  return {
    name: row.name,
    step: numberIfAny(row.step),
    sizeBytes: Number(row.sizeBytes),
    sha256: row.sha256,
    atMs: ms(row.timeUnixNs),
  };
}

export function storedWindow({ name, samples, ...columns }: SeriesWindow): StoredWindow {
  const { timeUnixS, step, value, min, max } = columns;
  return {
    name,
    timeUnixS: encodeF64(timeUnixS),
    step: encodeF64(step),
    value: encodeF64(value),
    ...(min === undefined ? {} : { min: encodeF64(min) }),
    ...(max === undefined ? {} : { max: encodeF64(max) }),
    samples,
  };
}

export function storedLog(row: LogRow): StoredLogsPage["logs"][number] {
  const { timeUnixNs, level, source, text, step } = row;
  return { atMs: ms(timeUnixNs), level, source, text, step: numberIfAny(step) };
}

export function storedEpisode(row: EpisodeRow): StoredEpisodesPage["episodes"][number] {
  return {
    episode: Number(row.episode),
    endedAtMs: ms(row.endTimeUnixNs),
    length: Number(row.length),
    episodeReturn: encodeF64(Float64Array.of(row.episodeReturn)),
    terminated: row.terminated,
    truncated: row.truncated,
  };
}
