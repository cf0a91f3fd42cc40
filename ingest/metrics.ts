/** Numbers of the ingest process for /metrics, which `serve` answers: it is told them once a second. */

import type { MetricValue } from "../core/durable/feed.ts";

type Labels = Record<string, string>;

/** A number that only grows. */
export class Count {
  value = 0;

  add(amount = 1): void {
    this.value += amount;
  }
}

/** Durations, by bounds in seconds. */
export class Durations {
  readonly #boundsS: readonly number[];
  readonly #counts: number[];
  #sumS = 0;

  constructor(boundsS: readonly number[]) {
    this.#boundsS = [...boundsS, Infinity];
    this.#counts = this.#boundsS.map(() => 0);
  }

  observe(seconds: number): void {
    this.#sumS += seconds;
    this.#counts[this.#boundsS.findIndex((bound) => seconds <= bound)]! += 1;
  }

  get sumS(): number {
    return this.#sumS;
  }

  /** Cumulative, as Prometheus wants them. */
  buckets(): [le: number, count: number][] {
    let total = 0;
    return this.#boundsS.map((bound, index) => [bound, total += this.#counts[index]!]);
  }
}

/** Names go out as `telebridge_NAME`, counters as `telebridge_NAME_total`. */
export class IngestMetrics {
  readonly #readers: (() => MetricValue)[] = [];

  counter(name: string, help: string, labels: Labels = {}): Count {
    const count = new Count();
    const full = `telebridge_${name}_total`;
    this.#readers.push(() => ({ name: full, help, kind: "counter", labels, value: count.value }));
    return count;
  }

  /** A counter that is kept elsewhere. */
  observed(name: string, help: string, read: () => number, labels: Labels = {}): void {
    const full = `telebridge_${name}_total`;
    this.#readers.push(() => ({ name: full, help, kind: "counter", labels, value: read() }));
  }

  gauge(name: string, help: string, read: () => number, labels: Labels = {}): void {
    const full = `telebridge_${name}`;
    this.#readers.push(() => ({ name: full, help, kind: "gauge", labels, value: read() }));
  }

  durations(
    name: string,
    help: string,
    boundsS: readonly number[],
    labels: Labels = {},
  ): Durations {
    const durations = new Durations(boundsS);
    const full = `telebridge_${name}_seconds`;
    this.#readers.push(() => ({
      name: full,
      help,
      kind: "histogram",
      labels,
      value: durations.sumS,
      buckets: durations.buckets(),
    }));
    return durations;
  }

  values(): MetricValue[] {
    return this.#readers.map((read) => read());
  }
}
