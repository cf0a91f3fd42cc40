/** The last values of stored runs' series, read for the rows that are seen, two runs at a time. */

import { type Signal, signal } from "@preact/signals";
import { decodeF64, type StoredSeries } from "../proto/wire.ts";
import type { fetchStoredRun } from "./history_api.ts";

const READS_MAX = 2;
const VALUES_SHOWN = 3;
/** A server that is busy, or just being restarted, is asked again; what it can't read at all is left after so many. */
const TRIES_MAX = 5;
const RETRY_MS = 3_000;

export type LastValue = [name: string, value: number];

export class LastValues {
  readonly #fetch: typeof fetchStoredRun;
  readonly #retryMs: number;
  readonly #values = new Map<string, { rows: number; values: Signal<LastValue[]> }>();
  readonly #waiting: { run: string; triesLeft: number }[] = [];
  #reads = 0;

  constructor(fetch: typeof fetchStoredRun, retryMs = RETRY_MS) {
    this.#fetch = fetch;
    this.#retryMs = retryMs;
  }

  /** Empty until they have come. `rows`: how many samples are stored; other ones are read again. */
  of(run: string, rows: number): Signal<LastValue[]> {
    let entry = this.#values.get(run);
    if (entry === undefined) {
      entry = { rows: 0, values: signal([]) };
      this.#values.set(run, entry);
    }
    if (entry.rows !== rows) {
      entry.rows = rows;
      this.#read({ run, triesLeft: TRIES_MAX });
    }
    return entry.values;
  }

  #read(waiting: { run: string; triesLeft: number }): void {
    this.#waiting.push(waiting);
    this.#readNext();
  }

  async #readNext(): Promise<void> {
    if (this.#reads >= READS_MAX) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    const { run, triesLeft } = next;
    this.#reads++;
    try {
      const details = await this.#fetch(run);
      this.#values.get(run)!.values.value = mostTelling(details?.series ?? []);
    } catch {
      // The row stands without them meanwhile.
      const again = { run, triesLeft: triesLeft - 1 };
      if (again.triesLeft > 0) setTimeout(() => this.#read(again), this.#retryMs);
    }
    this.#reads--;
    this.#readNext();
  }
}

/** Returns and rewards, then losses, then what else there is. */
const TELLING = [/return|reward|score/i, /success|accuracy/i, /loss/i];

export function mostTelling(series: readonly StoredSeries[]): LastValue[] {
  const rank = (name: string) => {
    const index = TELLING.findIndex((pattern) => pattern.test(name));
    return index === -1 ? TELLING.length : index;
  };
  return series.toSorted((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name))
    .slice(0, VALUES_SHOWN)
    .map(({ name, lastValue }) => [name, decodeF64(lastValue)[0] ?? NaN]);
}
