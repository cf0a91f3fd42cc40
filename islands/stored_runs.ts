/** The stored runs that the list shows: read page by page, those that the server finds by a tag and a text. */

import { computed, signal } from "@preact/signals";
import type { RunSummary, StoredRun } from "../proto/wire.ts";
import type { fetchStoredRuns } from "./history_api.ts";

const PAGE_RUNS = 100;
const RETRY_MS = 3_000;
/** The server takes no more. */
const WORDS_MAX = 32;

/** What a person looks for. */
export interface RunsFilter {
  /** Every word of it stands in a run's name, state, note or tags. */
  text: string;
  /** null: any, or none. */
  tag: string | null;
}

export class StoredRuns {
  readonly #fetch: typeof fetchStoredRuns;
  #next: string | null = null;
  /** What the runs that are here were read for. */
  #readFor: RunsFilter | null = null;
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
  readonly filter = computed<RunsFilter>(() => ({ text: this.text.value, tag: this.tag.value }));
  readonly found = computed(() =>
    (this.runs.value ?? []).filter((run) => matches(run, this.filter.value))
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
      const filter = this.filter.peek();
      const { runs, next } = await this.#page(null);
      const before = filter === this.#readFor ? this.runs.peek() ?? [] : [];
      const fresh = new Set(runs.map(({ id }) => id));
      const oldestMs = runs.at(-1)?.startedAtMs ?? -Infinity;
      // Of those that the page would hold, what it does not hold any more was deleted.
      const older = next === null
        ? []
        : before.filter(({ id, startedAtMs }) => !fresh.has(id) && startedAtMs <= oldestMs);
      this.runs.value = [...runs, ...older];
      this.#readFor = filter;
      if (older.length === 0) this.#setNext(next);
    });
  }

  readMore(): Promise<void> {
    return this.#work(() => this.#readNext());
  }

  /** null: whatever their tags. Until the server has answered, what is here and fits is found. */
  setTag(tag: string | null): Promise<void> {
    this.tag.value = tag;
    return this.refresh();
  }

  setText(text: string): Promise<void> {
    this.text.value = text;
    return this.refresh();
  }

  async #readNext(): Promise<void> {
    if (this.#next === null || this.#readFor !== this.filter.peek()) return;
    const { runs, next } = await this.#page(this.#next);
    const known = new Set(this.runs.peek()?.map(({ id }) => id));
    this.runs.value = [...this.runs.peek() ?? [], ...runs.filter(({ id }) => !known.has(id))];
    this.#setNext(next);
  }

  #page(after: string | null) {
    const { text, tag } = this.filter.peek();
    const word = wordsOf(text).slice(0, WORDS_MAX);
    return this.#fetch({ tag, word, after, limit: PAGE_RUNS });
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

function wordsOf(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter((word) => word !== "");
}

function matches(run: StoredRun, { text, tag }: RunsFilter): boolean {
  const texts = [run.id, run.state, run.note, ...run.tags].join("\n").toLowerCase();
  return (tag === null || run.tags.includes(tag)) &&
    wordsOf(text).every((word) => texts.includes(word));
}

/**
 * A run stands once in the list: as a card while it is live, or where nothing of it is stored. `stored`: those that were
 * found by a text and a tag, which may be of a live run; a run of which nothing is stored is found by its name alone.
 */
export function mergeRuns(
  live: readonly RunSummary[],
  stored: readonly StoredRun[],
  { text, tag }: RunsFilter,
): { cards: RunSummary[]; rows: StoredRun[] } {
  const storedIds = new Set(stored.map(({ id }) => id));
  const words = wordsOf(text);
  const isNamed = (id: string) =>
    tag === null && words.every((word) => id.toLowerCase().includes(word));
  const cards = live.filter(({ id, phase }) => storedIds.has(id) ? phase !== "ended" : isNamed(id));
  const cardIds = new Set(cards.map(({ id }) => id));
  return { cards, rows: stored.filter(({ id }) => !cardIds.has(id)) };
}
