/** A stored run as a stream of rows in order of time, in constant memory. */

import type { RowKind, RowsByKind, RunRecord } from "../storage/records.ts";
import type { Cursor, Page, StoreReader } from "../storage/store.ts";
import { mergeByTime } from "./merge.ts";
import type { Point } from "./points.ts";
import { type ReadPages, RowSource, type Slice } from "./source.ts";
import { ReplayWindow, type TimeBounds } from "./window.ts";

/** Rows of some dozen bytes. */
const PACKED_ROWS_PER_PAGE = 8192;
/** Rows that may be as large as a log's longest text, 1 MiB. */
const LARGE_ROWS_PER_PAGE = 256;

/** Of rows of the same time, those of the kind that stands first come first. */
const KINDS_IN_ORDER = [
  "params",
  "steps",
  "samples",
  "histograms",
  "logs",
  "episodes",
  "checkpoints",
] as const satisfies readonly RowKind[];

export interface ReplayOptions {
  reader: StoreReader;
  run: RunRecord;
  kinds: ReadonlySet<RowKind>;
  /** Of samples and histograms; null = all. */
  series: readonly string[] | null;
  /** null: from its beginning. */
  from: Point | null;
  /** Inclusive; null: to its end. */
  to: Point | null;
  /** ns since 1970. */
  nowUnixNs: () => bigint;
}

export class Replay {
  readonly #reader: StoreReader;
  readonly #series: readonly string[] | null;
  readonly #window: ReplayWindow;
  readonly #nowUnixNs: () => bigint;
  readonly #sources: readonly RowSource[];
  #run: RunRecord;

  constructor(options: ReplayOptions) {
    this.#reader = options.reader;
    this.#run = options.run;
    this.#series = options.series;
    this.#nowUnixNs = options.nowUnixNs;
    this.#window = new ReplayWindow({ ...options, runId: options.run.runId });
    this.#window.refresh(options.run);
    this.#sources = KINDS_IN_ORDER.filter((kind) => options.kinds.has(kind))
      .map((kind) => new RowSource(kind, this.#pages(kind)) as unknown as RowSource);
  }

  /** Whether the start is in the run; until then there are no rows. */
  get begun(): boolean {
    return this.#window.begun;
  }

  /** Rows that came after later ones, since they were committed long after they were made. */
  get lateCount(): number {
    return this.#sources.reduce((count, { late }) => count + late, 0);
  }

  /** The times of the first and the last row that are wanted, as far as they are known. */
  get bounds(): { firstUnixNs: bigint; lastUnixNs: bigint } {
    const { fromUnixNs, toUnixNs } = this.#window.times;
    const { startTimeUnixNs, lastTimeUnixNs } = this.#run;
    return { firstUnixNs: fromUnixNs ?? startTimeUnixNs, lastUnixNs: toUnixNs ?? lastTimeUnixNs };
  }

  /** The rows that are there now and have not been given yet, in order of time. */
  *round(): Generator<Slice> {
    if (this.#window.begun) yield* mergeByTime(this.#sources);
  }

  /**
   * To be called before each further round: says whether one more may follow it. `ended`: this round is the last. `deleted`:
   * there is no such run any more.
   */
  look(): "goes on" | "ended" | "deleted" {
    const run = this.#reader.run(this.#run.runId);
    if (run === null) return "deleted";
    this.#run = run;
    this.#window.refresh(run);
    for (const source of this.#sources) source.resume();
    const over = run.state !== "running" || this.#window.isOver(this.#nowUnixNs());
    return over ? "ended" : "goes on";
  }

  #pages<Kind extends RowKind>(kind: Kind): ReadPages<RowsByKind[Kind]> {
    return {
      read: (after) => {
        const page = this.#read(kind, after);
        // A row of this page may be beyond an end that was not there before.
        this.#window.refresh(this.#run);
        return page as Page<RowsByKind[Kind]>;
      },
      bounds: (): TimeBounds => this.#window.timeBounds(kind),
    };
  }

  #read(kind: RowKind, after: Cursor | null): Page<RowsByKind[RowKind]> {
    const { runId } = this.#run;
    const range = this.#window.range(kind);
    const reader = this.#reader;
    switch (kind) {
      case "steps":
        return reader.steps(runId, range, after, PACKED_ROWS_PER_PAGE);
      case "samples":
        return reader.samples(runId, range, after, PACKED_ROWS_PER_PAGE, this.#series);
      case "episodes":
        return reader.episodes(runId, range, after, LARGE_ROWS_PER_PAGE);
      case "logs":
        return reader.logs(runId, range, after, LARGE_ROWS_PER_PAGE);
      case "histograms":
        return this.#histograms(after);
      case "params":
        return pageOfList(reader.params(runId), after);
      case "checkpoints":
        return pageOfList(reader.checkpoints(runId), after);
    }
  }

  #histograms(after: Cursor | null): Page<RowsByKind["histograms"]> {
    const only = this.#series?.length === 1 ? this.#series[0]! : null;
    const page = this.#reader.histograms(this.#run.runId, only, after, LARGE_ROWS_PER_PAGE);
    if (this.#series === null) return page;
    return { ...page, rows: page.rows.filter(({ series }) => this.#series!.includes(series)) };
  }
}

/** Short lists come whole; their cursor is the time of the last row that was given. */
function pageOfList<Row extends { timeUnixNs: bigint }>(
  all: readonly Row[],
  after: Cursor | null,
): Page<Row[]> {
  const afterUnixNs = after === null ? null : BigInt(after);
  const rows = all.filter(({ timeUnixNs }) => afterUnixNs === null || timeUnixNs > afterUnixNs);
  const lastUnixNs = rows.reduce(
    (last, { timeUnixNs }) => timeUnixNs > last ? timeUnixNs : last,
    afterUnixNs ?? -(2n ** 63n),
  );
  return { rows, next: null, end: String(lastUnixNs) };
}
