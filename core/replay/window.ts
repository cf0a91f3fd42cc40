/**
 * The part of a run that is replayed. A point of the run is a moment: rows of every kind are cut at the time at which its
 * step or episode began. Steps and episodes themselves are cut by their own numbers, which is exact where clocks are not.
 */

import type { RowKind, RunRecord } from "../storage/records.ts";
import type { RowRange, StoreReader } from "../storage/store.ts";
import type { Point } from "./points.ts";

/** Both inclusive; null = none. */
export interface TimeBounds {
  fromUnixNs: bigint | null;
  toUnixNs: bigint | null;
}

export class ReplayWindow {
  readonly #reader: StoreReader;
  readonly #runId: string;
  readonly #from: Point | null;
  readonly #to: Point | null;
  #fromUnixNs: bigint | null = null;
  #toUnixNs: bigint | null = null;

  constructor(
    options: { reader: StoreReader; runId: string; from: Point | null; to: Point | null },
  ) {
    this.#reader = options.reader;
    this.#runId = options.runId;
    this.#from = options.from;
    this.#to = options.to;
  }

  /** Whether the start is in the run; false while its step or episode has not come. */
  get begun(): boolean {
    return this.#from === null || this.#fromUnixNs !== null;
  }

  /** The moments of its ends; null = none, or not found yet. */
  get times(): TimeBounds {
    return { fromUnixNs: this.#fromUnixNs, toUnixNs: this.#toUnixNs };
  }

  /** Whether its end is past, so that nothing can come any more, however long the run goes on. */
  isOver(nowUnixNs: bigint): boolean {
    return this.#toUnixNs !== null && this.#toUnixNs < nowUnixNs;
  }

  /** Looks for points that have not been found yet. */
  refresh(run: RunRecord): void {
    this.#fromUnixNs ??= this.#from === null ? null : this.#startOf(this.#from, run);
    this.#toUnixNs ??= this.#to === null ? null : this.#endOf(this.#to, run);
  }

  /** When rows of a kind are inside. Kinds that are cut by number have no bound in time there. */
  timeBounds(kind: RowKind): TimeBounds {
    return {
      fromUnixNs: cutByNumber(kind, this.#from) ? null : this.#fromUnixNs,
      toUnixNs: cutByNumber(kind, this.#to) ? null : this.#toUnixNs,
    };
  }

  /** The same for the store. */
  range(kind: RowKind): RowRange {
    const { fromUnixNs, toUnixNs } = this.timeBounds(kind);
    const range: RowRange = { fromTimeUnixNs: fromUnixNs, toTimeUnixNs: toUnixNs };
    if (cutByNumber(kind, this.#from)) {
      if (this.#from!.by === "step") range.fromStep = this.#from!.step;
      if (this.#from!.by === "episode") range.fromEpisode = this.#from!.episode;
    }
    if (cutByNumber(kind, this.#to)) {
      if (this.#to!.by === "step") range.toStep = this.#to!.step;
      if (this.#to!.by === "episode") range.toEpisode = this.#to!.episode;
    }
    return range;
  }

  #startOf(point: Point, run: RunRecord): bigint | null {
    switch (point.by) {
      case "step":
        return this.#timeOfStep(point.step);
      case "episode":
        return this.#timeOfEpisode(point.episode);
      default:
        return timeOf(point, run);
    }
  }

  /** Up to the moment before the next step or episode begins. */
  #endOf(point: Point, run: RunRecord): bigint | null {
    switch (point.by) {
      case "step":
        return before(this.#timeOfStep(point.step + 1n));
      case "episode":
        return before(this.#timeOfEpisode(point.episode + 1n));
      default:
        return timeOf(point, run);
    }
  }

  /** Of the first row from that step on: of the steps, else of the samples, which may be all that a run has. */
  #timeOfStep(step: bigint): bigint | null {
    const range = { fromStep: step };
    const steps = this.#reader.steps(this.#runId, range, null, 1).rows;
    if (steps.timeUnixNs.length > 0) return steps.timeUnixNs[0]!;
    const samples = this.#reader.samples(this.#runId, range, null, 1).rows;
    return samples.timeUnixNs[0] ?? null;
  }

  #timeOfEpisode(episode: bigint): bigint | null {
    const range = { fromEpisode: episode };
    const steps = this.#reader.steps(this.#runId, range, null, 1).rows;
    if (steps.timeUnixNs.length > 0) return steps.timeUnixNs[0]!;
    return this.#reader.episodes(this.#runId, range, null, 1).rows[0]?.startTimeUnixNs ?? null;
  }
}

function cutByNumber(kind: RowKind, point: Point | null): boolean {
  if (point === null) return false;
  if (point.by === "step") return kind === "steps";
  return point.by === "episode" && (kind === "steps" || kind === "episodes");
}

function timeOf(point: Exclude<Point, { by: "step" } | { by: "episode" }>, run: RunRecord): bigint {
  switch (point.by) {
    case "time":
      return point.timeUnixNs;
    case "start":
      return run.startTimeUnixNs + point.afterNs;
    case "end":
      return run.lastTimeUnixNs - point.beforeNs;
  }
}

function before(timeUnixNs: bigint | null): bigint | null {
  return timeUnixNs === null ? null : timeUnixNs - 1n;
}
