/** Returns and lengths of a run's episodes, as two series beside the logged ones. */

import { decodeF64 } from "../proto/wire.ts";
import type { fetchEpisodes, SeriesColumns, SeriesWindow, TimeRange } from "./history_api.ts";
import { thin } from "./thin.ts";

export const EPISODE_RETURN = "episodes/return";
export const EPISODE_LENGTH = "episodes/length";
export const EPISODE_SERIES: readonly string[] = [EPISODE_RETURN, EPISODE_LENGTH];

/** Episodes beyond are not drawn: a page holds no more. */
const EPISODES_MAX = 200_000;

export class Episodes {
  readonly #run: string;
  readonly #fetch: typeof fetchEpisodes;
  /** Where to go on. null: nothing was read. */
  #end: string | null = null;
  #reading: Promise<void> | null = null;
  readonly #timeS: number[] = [];
  /** Steps of all episodes up to this one: the place of its end on the axis of steps. */
  readonly #step: number[] = [];
  readonly #columns: Record<string, number[]> = { [EPISODE_RETURN]: [], [EPISODE_LENGTH]: [] };

  constructor(run: string, fetch: typeof fetchEpisodes) {
    this.#run = run;
    this.#fetch = fetch;
  }

  get count(): number {
    return this.#timeS.length;
  }

  /** Last value of a series, NaN without any. */
  lastValue(name: string): number {
    return this.#columns[name]!.at(-1) ?? NaN;
  }

  /** Reads what has come since. */
  read(): Promise<void> {
    this.#reading ??= this.#readPages().finally(() => this.#reading = null);
    return this.#reading;
  }

  async #readPages(): Promise<void> {
    let after = this.#end;
    while (this.count < EPISODES_MAX) {
      const page = await this.#fetch(this.#run, after);
      if (page === null) return;
      for (const { endedAtMs, length, episodeReturn } of page.episodes) {
        this.#timeS.push(endedAtMs / 1000);
        this.#step.push((this.#step.at(-1) ?? 0) + length);
        this.#columns[EPISODE_RETURN]!.push(decodeF64(episodeReturn)[0] ?? NaN);
        this.#columns[EPISODE_LENGTH]!.push(length);
      }
      this.#end = page.end;
      if (page.next === null) return;
      after = page.next;
    }
  }

  /** Points of a series from an episode on. */
  since(name: string, first: number): SeriesColumns {
    return {
      timeS: this.#timeS.slice(first),
      step: this.#step.slice(first),
      value: this.#columns[name]!.slice(first),
      min: null,
      max: null,
    };
  }

  /** As the server's windows of a logged series. */
  async window(name: string, range: TimeRange | null, points: number): Promise<SeriesWindow> {
    if (this.#end === null) await this.read();
    const { fromS, toS } = range ?? { fromS: -Infinity, toS: Infinity };
    const within = this.#timeS.map((timeS) => timeS >= fromS && timeS <= toS);
    const first = Math.max(0, within.indexOf(true));
    const end = within.lastIndexOf(true) + 1;
    const all = this.since(name, 0);
    const cut = (column: ArrayLike<number>) => Array.from(column).slice(first, end);
    const part: SeriesColumns = {
      timeS: cut(all.timeS),
      step: cut(all.step),
      value: cut(all.value),
      min: null,
      max: null,
    };
    return { name, samples: part.timeS.length, ...thin(part, points) };
  }
}
