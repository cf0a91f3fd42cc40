/** A store that forgets, for tests and for whoever wants nothing stored: writer and reader in one. */

import { reasonToRefuse } from "./batch_check.ts";
import { numberAfter, pageOf } from "./cursor.ts";
import {
  type CheckpointRow,
  type EpisodeRow,
  type HistogramRow,
  type LogRow,
  NO_STEP,
  type ParamRow,
  ROW_KINDS,
  type RowBatch,
  type RowKind,
  type RunRecord,
  type RunState,
  type SampleColumns,
  type StepColumns,
} from "./records.ts";
import { newestTimeUnixNs, storableText } from "./row_tables.ts";
import {
  type BatchResult,
  type Cursor,
  type Page,
  type RowRange,
  RunDeleted,
  type RunRegistration,
  type RunsQuery,
  type SeriesInfo,
  type SeriesWindow,
  type StoreReader,
  type StoreStats,
  type StoreWriter,
} from "./store.ts";
import { windowOf } from "./windows.ts";

interface StepRow {
  step: bigint;
  timeUnixNs: bigint;
  episode: bigint;
  reward: number;
  flags: number;
  extraJson: string;
}

interface SampleRow {
  series: string;
  timeUnixNs: bigint;
  step: bigint | null;
  value: number;
}

interface Rows {
  steps: StepRow[];
  episodes: EpisodeRow[];
  samples: SampleRow[];
  logs: LogRow[];
  params: ParamRow[];
  histograms: HistogramRow[];
  checkpoints: CheckpointRow[];
}

interface MemoryRun {
  /** Order of creation. */
  id: number;
  record: RunRecord;
  rows: Rows;
  streams: Map<string, Record<RowKind, bigint>>;
}

function noMarks(): Record<RowKind, bigint> {
  return Object.fromEntries(ROW_KINDS.map((kind) => [kind, 0n])) as Record<RowKind, bigint>;
}

function within(
  value: bigint | null,
  from: bigint | null | undefined,
  to: bigint | null | undefined,
) {
  if ((from ?? null) === null && (to ?? null) === null) return true;
  return value !== null && value >= (from ?? value) && value <= (to ?? value);
}

/** Rows of a batch one by one. */
function rowsOf<Kind extends RowKind>(batch: RowBatch & { kind: Kind }): Rows[Kind][number][];
function rowsOf(batch: RowBatch): Rows[RowKind][number][] {
  switch (batch.kind) {
    case "steps": {
      const { step, timeUnixNs, episode, reward, flags, extraJson } = batch.rows;
      return Array.from(step, (_, i) => ({
        step: step[i]!,
        timeUnixNs: timeUnixNs[i]!,
        episode: episode[i]!,
        reward: reward[i]!,
        flags: flags[i]!,
        extraJson: storableText(extraJson?.[i] ?? ""),
      }));
    }
    case "samples": {
      const { names, series, timeUnixNs, step, value } = batch.rows;
      return Array.from(series, (index, i) => ({
        series: names[index]!,
        timeUnixNs: timeUnixNs[i]!,
        step: step === null || step[i] === NO_STEP ? null : step[i]!,
        value: value[i]!,
      }));
    }
    default:
      return batch.rows.map((row) => {
        const texts = Object.entries(row).map(([field, value]) =>
          [field, typeof value === "string" ? storableText(value) : value] as const
        );
        return Object.fromEntries(texts) as unknown as typeof row;
      });
  }
}

export class MemoryStore implements StoreWriter, StoreReader {
  readonly #runs = new Map<string, MemoryRun>();
  /** Streams of deleted runs, as "run/stream". */
  readonly #deleted = new Set<string>();
  #lastId = 0;

  registerRun({ stream, startTimeUnixNs, tags, metadataJson }: RunRegistration): {
    created: boolean;
    committed: Record<RowKind, bigint>;
  } {
    const { runId, streamId } = stream;
    if (this.#deleted.has(`${runId}/${streamId}`)) throw new RunDeleted(runId);
    let run = this.#runs.get(runId);
    const created = run === undefined;
    if (run === undefined) {
      run = {
        id: ++this.#lastId,
        record: {
          runId,
          state: "running",
          startTimeUnixNs,
          lastTimeUnixNs: 0n,
          endTimeUnixNs: 0n,
          tags: [],
          note: "",
          metadataJson: storableText(metadataJson),
          reason: "",
          counts: Object.fromEntries(ROW_KINDS.map((kind) => [kind, 0])) as Record<RowKind, number>,
        },
        rows: {
          steps: [],
          episodes: [],
          samples: [],
          logs: [],
          params: [],
          histograms: [],
          checkpoints: [],
        },
        streams: new Map(),
      };
      this.#runs.set(runId, run);
    } else {
      Object.assign(run.record, { state: "running", endTimeUnixNs: 0n, reason: "" });
      if (metadataJson !== "") run.record.metadataJson = storableText(metadataJson);
    }
    this.#setTags(run, [...run.record.tags, ...tags]);
    return { created, committed: { ...this.#marks(run, streamId) } };
  }

  finishRun(runId: string, end: { timeUnixNs: bigint; state: RunState; reason: string }): boolean {
    const run = this.#runs.get(runId);
    if (run === undefined) return false;
    run.record.state = end.state;
    run.record.endTimeUnixNs = end.timeUnixNs;
    run.record.reason = storableText(end.reason);
    return true;
  }

  updateRun(
    runId: string,
    { addTags = [], removeTags = [], note }: {
      addTags?: string[];
      removeTags?: string[];
      note?: string;
    },
  ): RunRecord | null {
    const run = this.#runs.get(runId);
    if (run === undefined) return null;
    const kept = run.record.tags.filter((tag) => !removeTags.includes(tag));
    this.#setTags(run, [...kept, ...addTags]);
    if (note !== undefined) run.record.note = storableText(note);
    return this.run(runId);
  }

  deleteRun(runId: string): Record<RowKind, number> | null {
    const run = this.#runs.get(runId);
    if (run === undefined) return null;
    this.#runs.delete(runId);
    for (const streamId of run.streams.keys()) this.#deleted.add(`${runId}/${streamId}`);
    return run.record.counts;
  }

  commit(batches: readonly RowBatch[]): BatchResult[] {
    return batches.map((batch) => this.#store(batch));
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  probe(): void {}

  idle(): boolean {
    return false;
  }

  stats(): StoreStats {
    const runs = [...this.#runs.values()];
    return {
      databaseBytes: 0,
      walBytes: 0,
      samplesUncompacted: runs.reduce((sum, { rows }) => sum + rows.samples.length, 0),
      checkpoints: 0,
      checkpointMsMax: 0,
      walHeldBy: null,
    };
  }

  runs({ tags = [], words = [], limit = 100, after }: RunsQuery = {}): Page<RunRecord[]> {
    const cursorOf = ({ id, record }: MemoryRun) => `${record.startTimeUnixNs}.${id}`;
    const newestFirst = [...this.#runs.values()].sort((a, b) =>
      Number(b.record.startTimeUnixNs - a.record.startTimeUnixNs) || b.id - a.id
    );
    const seen = after === undefined
      ? 0
      : newestFirst.findIndex((run) => cursorOf(run) === after) + 1;
    const found = newestFirst.slice(seen)
      .filter(({ record }) => tags.every((tag) => record.tags.includes(tag)))
      .filter(({ record: { runId, state, note, tags } }) => {
        const texts = [runId, state, note, ...tags].join("\n").toLowerCase();
        return words.every((word) => texts.includes(word.toLowerCase()));
      });
    const page = found.slice(0, limit);
    const end = page.length === 0 ? after ?? "" : cursorOf(page.at(-1)!);
    return {
      rows: page.map(({ record }) => structuredClone(record)),
      next: found.length > limit ? end : null,
      end,
    };
  }

  run(runId: string): RunRecord | null {
    const run = this.#runs.get(runId);
    return run === undefined ? null : structuredClone(run.record);
  }

  params(runId: string): ParamRow[] {
    const newestFirst = this.#rows(runId, "params").toReversed();
    return newestFirst.filter(({ key }, i) => newestFirst.findIndex((row) => row.key === key) === i)
      .reverse();
  }

  series(runId: string): SeriesInfo[] {
    return this.#seriesRows(runId, null, () => true).map(([name, rows]) => {
      const times = rows.map(({ timeUnixNs }) => timeUnixNs).sort((a, b) => a < b ? -1 : 1);
      return {
        name,
        samples: rows.length,
        firstTimeUnixNs: times[0]!,
        lastTimeUnixNs: times.at(-1)!,
        lastValue: rows.at(-1)!.value,
      };
    });
  }

  steps(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<StepColumns> {
    const page = this.#page(
      runId,
      "steps",
      after,
      limit,
      (row) =>
        within(row.step, range.fromStep, range.toStep) &&
        within(row.timeUnixNs, range.fromTimeUnixNs, range.toTimeUnixNs) &&
        within(row.episode, range.fromEpisode, range.toEpisode),
    );
    const extraJson = page.rows.map((row) => row.extraJson);
    return {
      ...page,
      rows: {
        step: BigUint64Array.from(page.rows, ({ step }) => step),
        timeUnixNs: BigInt64Array.from(page.rows, ({ timeUnixNs }) => timeUnixNs),
        episode: BigUint64Array.from(page.rows, ({ episode }) => episode),
        reward: Float64Array.from(page.rows, ({ reward }) => reward),
        flags: Uint8Array.from(page.rows, ({ flags }) => flags),
        extraJson: extraJson.some((text) => text !== "") ? extraJson : null,
      },
    };
  }

  episodes(
    runId: string,
    range: RowRange,
    after: Cursor | null,
    limit: number,
  ): Page<EpisodeRow[]> {
    const { fromStep = null, toStep = null } = range;
    return this.#page(
      runId,
      "episodes",
      after,
      limit,
      (row) =>
        within(row.episode, range.fromEpisode, range.toEpisode) &&
        within(row.endTimeUnixNs, range.fromTimeUnixNs, range.toTimeUnixNs) &&
        (fromStep === null || row.firstStep + row.length > fromStep) &&
        (toStep === null || row.firstStep <= toStep),
    );
  }

  samples(
    runId: string,
    range: RowRange,
    after: Cursor | null,
    limit: number,
    series: readonly string[] | null = null,
  ): Page<SampleColumns> {
    const page = this.#page(
      runId,
      "samples",
      after,
      limit,
      (row) =>
        (series === null || series.includes(row.series)) &&
        within(row.step, range.fromStep, range.toStep) &&
        within(row.timeUnixNs, range.fromTimeUnixNs, range.toTimeUnixNs),
    );
    const names = [...new Set(page.rows.map((row) => row.series))];
    return {
      ...page,
      rows: {
        names,
        series: Uint32Array.from(page.rows, (row) => names.indexOf(row.series)),
        timeUnixNs: BigInt64Array.from(page.rows, ({ timeUnixNs }) => timeUnixNs),
        step: page.rows.some(({ step }) => step !== null)
          ? BigUint64Array.from(page.rows, ({ step }) => step ?? NO_STEP)
          : null,
        value: Float64Array.from(page.rows, ({ value }) => value),
      },
    };
  }

  logs(runId: string, range: RowRange, after: Cursor | null, limit: number): Page<LogRow[]> {
    return this.#page(
      runId,
      "logs",
      after,
      limit,
      (row) =>
        within(row.step, range.fromStep, range.toStep) &&
        within(row.timeUnixNs, range.fromTimeUnixNs, range.toTimeUnixNs),
    );
  }

  lastLogs(runId: string, limit: number): Page<LogRow[]> {
    const seen = Math.max(0, this.#rows(runId, "logs").length - limit);
    return this.logs(runId, {}, String(seen), limit);
  }

  histograms(
    runId: string,
    series: string | null,
    after: Cursor | null,
    limit: number,
  ): Page<HistogramRow[]> {
    return this.#page(
      runId,
      "histograms",
      after,
      limit,
      (row) => series === null || row.series === series,
    );
  }

  checkpoints(runId: string): CheckpointRow[] {
    return this.#rows(runId, "checkpoints").slice();
  }

  windows(
    runId: string,
    series: readonly string[] | null,
    range: { fromTimeUnixNs: bigint | null; toTimeUnixNs: bigint | null },
    pointsMax: number,
  ): SeriesWindow[] {
    const inRange = ({ timeUnixNs }: SampleRow) =>
      within(timeUnixNs, range.fromTimeUnixNs, range.toTimeUnixNs);
    return this.#seriesRows(runId, series, inRange).map(([name, unsorted]) => {
      const rows = unsorted.toSorted((a, b) => Number(a.timeUnixNs - b.timeUnixNs));
      return windowOf(
        name,
        {
          timeUnixS: Float64Array.from(rows, ({ timeUnixNs }) => Number(timeUnixNs) / 1e9),
          step: Float64Array.from(rows, ({ step }) => step === null ? NaN : Number(step)),
          value: Float64Array.from(rows, ({ value }) => value),
        },
        pointsMax,
      );
    });
  }

  [Symbol.dispose](): void {}

  #store(batch: RowBatch): BatchResult {
    const reason = reasonToRefuse(batch);
    if (reason !== null) return { outcome: "refused", reason };
    const { runId, streamId } = batch.stream;
    if (this.#deleted.has(`${runId}/${streamId}`)) {
      return { outcome: "refused", reason: `run ${runId} was deleted` };
    }
    const run = this.#runs.get(runId);
    if (run === undefined) return { outcome: "refused", reason: `there is no run ${runId}` };
    const marks = this.#marks(run, streamId);
    const { kind, firstSequence, count } = batch;
    const committed = marks[kind];
    if (firstSequence > committed + 1n) return { outcome: "gap", committed };
    const known = Number(committed + 1n - firstSequence);
    if (known >= count) return { outcome: "committed", committed, rowsNew: 0 };
    const rows = rowsOf(batch).slice(known);
    (run.rows[kind] as typeof rows).push(...rows);
    marks[kind] += BigInt(rows.length);
    run.record.counts[kind] += rows.length;
    const newest = newestTimeUnixNs(batch);
    if (newest > run.record.lastTimeUnixNs) run.record.lastTimeUnixNs = newest;
    return { outcome: "committed", committed: marks[kind], rowsNew: rows.length };
  }

  #setTags(run: MemoryRun, tags: readonly string[]): void {
    run.record.tags = [...new Set(tags.map(storableText))].sort();
  }

  #marks(run: MemoryRun, streamId: string): Record<RowKind, bigint> {
    let marks = run.streams.get(streamId);
    if (marks === undefined) {
      marks = noMarks();
      run.streams.set(streamId, marks);
    }
    return marks;
  }

  #rows<Kind extends RowKind>(runId: string, kind: Kind): Rows[Kind] {
    return this.#runs.get(runId)?.rows[kind] ?? [] as unknown as Rows[Kind];
  }

  #page<Kind extends RowKind>(
    runId: string,
    kind: Kind,
    after: Cursor | null,
    limit: number,
    wanted: (row: Rows[Kind][number]) => boolean,
  ): Page<Rows[Kind][number][]> {
    const seen = Number(numberAfter(after));
    const all = this.#rows(runId, kind);
    const rows: Rows[Kind][number][] = [];
    let lastNumber = seen;
    for (let i = seen; i < all.length; i++) {
      if (!wanted(all[i]!)) continue;
      if (rows.length === limit) {
        return pageOf(rows, { lastNumber: BigInt(lastNumber), more: true, committed: 0n });
      }
      rows.push(all[i]!);
      lastNumber = i + 1;
    }
    const committed = BigInt(Math.max(seen, all.length));
    return pageOf(rows, { lastNumber: BigInt(lastNumber), more: false, committed });
  }

  /** Series by name, each with its wanted rows in the order of their commits. */
  #seriesRows(
    runId: string,
    names: readonly string[] | null,
    wanted: (row: SampleRow) => boolean,
  ): [name: string, rows: SampleRow[]][] {
    const byName = new Map<string, SampleRow[]>();
    for (const row of this.#rows(runId, "samples")) {
      if (names !== null && !names.includes(row.series)) continue;
      if (!byName.has(row.series)) byName.set(row.series, []);
      if (wanted(row)) byName.get(row.series)!.push(row);
    }
    return [...byName].sort(([a], [b]) => a < b ? -1 : 1);
  }
}
