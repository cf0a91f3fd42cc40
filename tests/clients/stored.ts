/** What a data directory holds of a run, read as the server's pages read it. */

import { databasePath, openReader } from "../../core/storage/open.ts";
import type { RowRange, StoreReader } from "../../core/storage/store.ts";
import type { TestBox } from "../harness/box.ts";

const PAGE_ROWS = 10_000;
const ALL: RowRange = {};

interface AnyPage<Rows> {
  rows: Rows;
  next: string | null;
}

function everyPage<Rows>(read: (after: string | null) => AnyPage<Rows>): Rows[] {
  const pages: Rows[] = [];
  for (let after: string | null = null;;) {
    const page = read(after);
    pages.push(page.rows);
    if (page.next === null) return pages;
    after = page.next;
  }
}

/** All rows of a run, in the order of their commits. */
export class Stored implements Disposable {
  readonly #reader: StoreReader;
  readonly #runId: string;

  /** Throws where there is no database. */
  constructor(box: TestBox, runId: string) {
    const reader = openReader(databasePath(box.dataDir));
    if (reader === null) throw new Error(`${box.dataDir} has no database`);
    this.#reader = reader;
    this.#runId = runId;
  }

  get run() {
    return this.#reader.run(this.#runId);
  }

  steps() {
    const pages = everyPage((after) => this.#reader.steps(this.#runId, ALL, after, PAGE_ROWS));
    return pages.flatMap((page) =>
      Array.from(page.step, (step, row) => ({
        step: Number(step),
        episode: Number(page.episode[row]),
        reward: page.reward[row]!,
        terminated: (page.flags[row]! & 1) !== 0,
        truncated: (page.flags[row]! & 2) !== 0,
        extra: page.extraJson?.[row] ? JSON.parse(page.extraJson[row]) : null,
      }))
    );
  }

  samples() {
    const pages = everyPage((after) => this.#reader.samples(this.#runId, ALL, after, PAGE_ROWS));
    return pages.flatMap((page) =>
      Array.from(page.value, (value, row) => ({
        series: page.names[page.series[row]!]!,
        step: page.step === null ? null : Number(page.step[row]),
        value,
      }))
    );
  }

  episodes() {
    return everyPage((after) => this.#reader.episodes(this.#runId, ALL, after, PAGE_ROWS)).flat();
  }

  logs() {
    return everyPage((after) => this.#reader.logs(this.#runId, ALL, after, PAGE_ROWS)).flat();
  }

  histograms() {
    return everyPage((after) => this.#reader.histograms(this.#runId, null, after, PAGE_ROWS))
      .flat();
  }

  get params(): Record<string, unknown> {
    const rows = this.#reader.params(this.#runId);
    return Object.fromEntries(rows.map(({ key, valueJson }) => [key, JSON.parse(valueJson)]));
  }

  get checkpoints() {
    return this.#reader.checkpoints(this.#runId);
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}
