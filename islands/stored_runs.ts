/** The stored runs that the list shows: read page by page, filtered by tag and by text. */

import { computed, signal } from "@preact/signals";
import type { RunSummary, StoredRun } from "../proto/wire.ts";
import type { fetchStoredRuns } from "./history_api.ts";

const PAGE_RUNS = 100;
const RETRY_MS = 3_000;
/** A search reads on until it has found so many, or all are read. */
const FOUND_ENOUGH = 50;

export class StoredRuns {
  readonly #fetch: typeof fetchStoredRuns;
  #next: string | null = null;
  /** One read at a time, in order. */
  #reads: Promise<void> = Promise.resolve();
  #readsCount = 0;
  #refreshWaits = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  /** Newest first. null: not read. */
  readonly runs = signal<StoredRun[] | null>(null);
  readonly hasMore = signal(false);
  readonly loading = signal(false);
  readonly error = signal<string | null>(null);
  readonly tag = signal<string | null>(null);
  readonly text = signal("");
  readonly found = computed(() =>
    (this.runs.value ?? []).filter((run) => matches(run, this.text.value))
  );

  constructor(fetch: typeof fetchStoredRuns) {
    this.#fetch = fetch;
  }

  /** Reads the newest runs again, and keeps the older ones that are here. */
  refresh(): Promise<void> {
    if (this.#refreshWaits) return this.#reads;
    this.#refreshWaits = true;
    return this.#work(async () => {
      this.#refreshWaits = false;
      const { runs, next } = await this.#page(null);
      const fresh = new Set(runs.map(({ id }) => id));
      const oldestMs = runs.at(-1)?.startedAtMs ?? -Infinity;
      // Of those that the page would hold, what it does not hold any more was deleted.
      const older = next === null
        ? []
        : (this.runs.peek() ?? []).filter(({ id, startedAtMs }) =>
          !fresh.has(id) && startedAtMs <= oldestMs
        );
      this.runs.value = [...runs, ...older];
      if (older.length === 0) this.#setNext(next);
    });
  }

  /** Reads on until there is more to show. */
  readMore(): Promise<void> {
    return this.#readUntil(this.found.peek().length + 1);
  }

  /** Other runs are wanted; null: whatever their tags. */
  setTag(tag: string | null): Promise<void> {
    this.tag.value = tag;
    this.runs.value = null;
    this.refresh();
    return this.setText(this.text.peek());
  }

  setText(text: string): Promise<void> {
    this.text.value = text;
    return this.#readUntil(text.trim() === "" ? 0 : FOUND_ENOUGH);
  }

  /** Until so many are found, all are read, or something else is looked for. */
  #readUntil(foundCount: number): Promise<void> {
    const [text, tag] = [this.text.peek(), this.tag.peek()];
    const wanted = () => this.text.peek() === text && this.tag.peek() === tag;
    return this.#work(async () => {
      while (wanted() && this.#next !== null && this.found.peek().length < foundCount) {
        await this.#readNext();
      }
    });
  }

  async #readNext(): Promise<void> {
    if (this.#next === null) return;
    const { runs, next } = await this.#page(this.#next);
    const known = new Set(this.runs.peek()?.map(({ id }) => id));
    this.runs.value = [...this.runs.peek() ?? [], ...runs.filter(({ id }) => !known.has(id))];
    this.#setNext(next);
  }

  #page(after: string | null) {
    return this.#fetch({ tag: this.tag.peek(), after, limit: PAGE_RUNS });
  }

  #setNext(next: string | null): void {
    this.#next = next;
    this.hasMore.value = next !== null;
  }

  #work(work: () => Promise<void>): Promise<void> {
    this.#readsCount++;
    this.loading.value = true;
    clearTimeout(this.#retryTimer);
    this.#reads = this.#reads.then(work).then(
      () => this.error.value = null,
      (error) => {
        this.error.value = error.message;
        this.#retryTimer = setTimeout(() => this.refresh(), RETRY_MS);
      },
    ).then(() => void (this.loading.value = --this.#readsCount > 0));
    return this.#reads;
  }
}

/** Every word stands in the run's name, tags, note or state. */
function matches(run: StoredRun, text: string): boolean {
  const haystack = [run.id, run.state, run.note, ...run.tags].join(" ").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => haystack.includes(word));
}

/**
 * A run stands once in the list: as a card while it is live, or where nothing of it is stored. `stored`: those that were
 * found by a text and a tag, which may be of a live run; a run of which nothing is stored is found by its name alone.
 */
export function mergeRuns(
  live: readonly RunSummary[],
  stored: readonly StoredRun[],
  { text, tag }: { text: string; tag: string | null },
): { cards: RunSummary[]; rows: StoredRun[] } {
  const storedIds = new Set(stored.map(({ id }) => id));
  const words = text.toLowerCase().split(/\s+/);
  const isNamed = (id: string) =>
    tag === null && words.every((word) => id.toLowerCase().includes(word));
  const cards = live.filter(({ id, phase }) => storedIds.has(id) ? phase !== "ended" : isNamed(id));
  const cardIds = new Set(cards.map(({ id }) => id));
  return { cards, rows: stored.filter(({ id }) => !cardIds.has(id)) };
}
