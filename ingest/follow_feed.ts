/** Commits of the runs that somebody looks at, for `serve`: gathered for a moment, and dropped when they are too many. */

import type { SampleColumns } from "../core/storage/records.ts";
import { NO_STEP } from "../core/storage/records.ts";
import type { IngestContext } from "./context.ts";
import type { CommittedRows, RunListener } from "./run_bus.ts";
import { sliceBatch } from "./row_slices.ts";

const GATHER_MS = 50;
/** Of one run in one moment: charts that are behind so much are read anew. */
const SAMPLES_MAX = 16_384;

export class FollowFeed {
  readonly #context: IngestContext;
  readonly #followed = new Map<string, FollowedRun>();
  #dropped = 0;

  constructor(context: IngestContext) {
    this.#context = context;
    const { feed, metrics } = context;
    feed.on("follow", ({ runIds }) => this.#follow(new Set(runIds)));
    context.onStop(() => this.#follow(new Set()));
    metrics.observed(
      "feed_dropped",
      "Commits that serve was not told of, since it had to read too much.",
      () => this.#dropped,
    );
  }

  #follow(runIds: ReadonlySet<string>): void {
    for (const [runId, run] of this.#followed) {
      if (runIds.has(runId)) continue;
      run[Symbol.dispose]();
      this.#followed.delete(runId);
    }
    for (const runId of runIds) {
      if (this.#followed.has(runId)) continue;
      const run = new FollowedRun((gathered) => this.#tell(runId, gathered));
      run.listenTo(this.#context.bus, runId);
      this.#followed.set(runId, run);
    }
  }

  #tell(runId: string, { rows, samples, missed }: Gathered): void {
    const { feed } = this.#context;
    const told = !missed && feed.offer({ type: "commits", runId, rows, samples });
    if (told) return;
    this.#dropped++;
    feed.send({ type: "missed", runId });
  }
}

interface Gathered {
  rows: Partial<Record<CommittedRows["kind"], number>>;
  samples: SampleColumns | null;
  missed: boolean;
}

class FollowedRun implements RunListener, Disposable {
  readonly #tell: (gathered: Gathered) => void;
  #subscription: Disposable | null = null;
  #rows: Gathered["rows"] = {};
  #samples: SampleColumns[] = [];
  #samplesCount = 0;
  #missed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (gathered: Gathered) => void) {
    this.#tell = tell;
  }

  listenTo(bus: IngestContext["bus"], runId: string): void {
    this.#subscription = bus.subscribe(runId, this);
  }

  onRows({ kind, rowsNew, batch }: CommittedRows): void {
    this.#rows[kind] = (this.#rows[kind] ?? 0) + rowsNew;
    if (batch.kind === "samples" && !this.#missed) {
      const added = sliceBatch(batch, batch.count - rowsNew, batch.count);
      this.#samplesCount += rowsNew;
      if (this.#samplesCount > SAMPLES_MAX) this.#miss();
      else this.#samples.push(copyOf(added.rows as SampleColumns));
    }
    this.#tellSoon();
  }

  onMissed(): void {
    this.#miss();
    this.#tellSoon();
  }

  [Symbol.dispose](): void {
    this.#subscription?.[Symbol.dispose]();
    clearTimeout(this.#timer);
  }

  #miss(): void {
    this.#missed = true;
    this.#samples = [];
  }

  #tellSoon(): void {
    this.#timer ??= setTimeout(() => {
      const samples = this.#samples.length === 0 ? null : joined(this.#samples);
      this.#tell({ rows: this.#rows, samples, missed: this.#missed });
      this.#timer = undefined;
      this.#rows = {};
      this.#samples = [];
      this.#samplesCount = 0;
      this.#missed = false;
    }, GATHER_MS);
  }
}

/** The batch's own columns are used again. */
function copyOf({ names, series, timeUnixNs, step, value }: SampleColumns): SampleColumns {
  return {
    names,
    series: series.slice(),
    timeUnixNs: timeUnixNs.slice(),
    step: step?.slice() ?? null,
    value: value.slice(),
  };
}

/** Exported for its test. */
export function joined(parts: readonly SampleColumns[]): SampleColumns {
  const count = parts.reduce((sum, { value }) => sum + value.length, 0);
  const numberOf = new Map<string, number>();
  const series = new Uint32Array(count);
  const timeUnixNs = new BigInt64Array(count);
  const step = parts.some((part) => part.step !== null)
    ? new BigUint64Array(count).fill(NO_STEP)
    : null;
  const value = new Float64Array(count);
  let at = 0;
  for (const part of parts) {
    const numbers = part.names.map((name) => {
      const known = numberOf.get(name) ?? numberOf.size;
      numberOf.set(name, known);
      return known;
    });
    part.series.forEach((index, row) => series[at + row] = numbers[index]!);
    timeUnixNs.set(part.timeUnixNs, at);
    value.set(part.value, at);
    if (part.step !== null) step!.set(part.step, at);
    at += part.value.length;
  }
  return { names: [...numberOf.keys()], series, timeUnixNs, step, value };
}
