/** The end of a run's log: its last lines, and those that come. */

import { computed, signal } from "@preact/signals";
import type { StoredLogsPage } from "../proto/wire.ts";
import type { fetchLogs } from "./history_api.ts";

export type LogLine = StoredLogsPage["logs"][number];

const TAIL_FIRST = 200;
/** Lines that a page holds. */
const LINES_MAX = 5_000;
const RETRY_MS = 3_000;
/** New lines are asked for at most so often. */
const PAUSE_MS = 250;

export class LogsModel {
  readonly #run: string;
  readonly #fetch: typeof fetchLogs;
  #end: string | null = null;
  #tail = TAIL_FIRST;
  #reading = false;
  /** More was asked for while a page was being read. */
  #again = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** null: not read. */
  readonly lines = signal<LogLine[] | null>(null);
  readonly error = signal<string | null>(null);
  /** There may be older lines than the first here. */
  readonly hasOlder = signal(false);
  /** Least level that is shown: 1 debug, 2 info, 3 warning, 4 error. */
  readonly levelMin = signal(1);
  readonly search = signal("");
  readonly shown = computed(() => {
    const text = this.search.value.toLowerCase();
    return (this.lines.value ?? []).filter(({ level, text: line, source }) =>
      level >= this.levelMin.value &&
      (text === "" || line.toLowerCase().includes(text) || source.toLowerCase().includes(text))
    );
  });

  constructor(run: string, fetch: typeof fetchLogs) {
    this.#run = run;
    this.#fetch = fetch;
  }

  /** Reads the last lines, or what has come since. */
  read(): void {
    this.#again = true;
    if (!this.#reading && this.#timer === undefined) this.#readPages();
  }

  /** Reads further back. */
  readOlder(): void {
    this.#tail = Math.min(LINES_MAX, this.#tail * 5);
    this.#end = null;
    this.read();
  }

  async #readPages(): Promise<void> {
    this.#reading = true;
    let pauseMs = PAUSE_MS;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#readPage();
      }
      this.error.value = null;
    } catch (error) {
      this.error.value = (error as Error).message;
      this.#again = true;
      pauseMs = RETRY_MS;
    }
    this.#reading = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#again) this.#readPages();
    }, pauseMs);
  }

  async #readPage(): Promise<void> {
    const tailed = this.#end === null;
    const page = await this.#fetch(
      this.#run,
      this.#end === null ? { tail: this.#tail } : { after: this.#end },
    );
    if (page === null) {
      this.lines.value ??= [];
      return;
    }
    this.#end = page.end;
    if (tailed) {
      this.lines.value = page.logs;
      // Of many large lines the first ones come, and the others after them.
      const isFull = page.logs.length >= this.#tail || page.next !== null;
      this.hasOlder.value = isFull && this.#tail < LINES_MAX;
    } else if (page.logs.length > 0) {
      this.lines.value = [...this.lines.value ?? [], ...page.logs].slice(-LINES_MAX);
    }
    if (page.next !== null) this.#again = true;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
