/**
 * The charts of a run: which series there are, what of them is loaded, and what the person set. Only series whose chart
 * is in sight are read; commits extend them, and where something was missed they are read again.
 */

import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Commits } from "../proto/wire.ts";
import { decodeF64 } from "../proto/wire.ts";
import type { fetchWindows, SeriesColumns, SeriesWindow, TimeRange } from "./history_api.ts";
import { timeRangeOf, type XAxis } from "./plot_columns.ts";
import { SeriesData } from "./series_data.ts";
import { Turns } from "./turns.ts";

/** Points asked for: about two for each pixel of a chart's usual width. */
const POINTS = 1_000;
/** Charts that come into sight together are read together. */
const GATHER_MS = 30;
/** What has to be read again is read at most so often. */
const REREAD_MS = 1_000;
const RETRY_MS = 3_000;
const SERIES_PER_READ = 16;
/** Drawing is the dearest of what a page does: of all charts that grow, one at a time is drawn again, so often. */
const GROWN_EVERY_MS = 30;
/** Series out of sight whose points are kept. */
const KEPT_MAX = 48;

/** A part of the x axis, by a drag in one chart and for all of them. */
export interface Zoom {
  axis: XAxis;
  min: number;
  max: number;
  range: TimeRange;
}

export class ChartEntry {
  readonly name: string;
  /** Changes when the chart has to be drawn again. */
  readonly version = signal(0);
  readonly error = signal<string | null>(null);
  /** The whole series, extended by commits. null: not read. */
  overview: SeriesData | null = null;
  /** What is zoomed to. null: not read. */
  detail: SeriesData | null = null;
  visible = false;
  /** To be read again. */
  stale = false;
  /** Samples that came while the whole series was being read; null: it is not. */
  tail: SeriesColumns[] | null = null;
  lastValue: number;

  constructor(name: string, lastValue: number) {
    this.name = name;
    this.lastValue = lastValue;
  }
}

export interface ChartsOptions {
  run: string;
  fetchWindows: typeof fetchWindows;
  nowMs(): number;
  axis: XAxis;
  logY: boolean;
  smoothing: number;
}

export class ChartsModel {
  readonly #options: ChartsOptions;
  readonly #entries = new Map<string, ChartEntry>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading = false;
  #rereadAtMs = -Infinity;
  readonly #grown: Turns<ChartEntry>;
  readonly #names: Signal<string[]> = signal([]);
  readonly search = signal("");
  readonly axis: Signal<XAxis>;
  readonly logY: Signal<boolean>;
  readonly smoothing: Signal<number>;
  readonly zoom = signal<Zoom | null>(null);
  /** Names of the series that the search lets through, in order. */
  readonly shown: ReadonlySignal<string[]> = computed(() => {
    const words = this.search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
    return this.#names.value.filter((name) =>
      words.every((word) => name.toLowerCase().includes(word))
    );
  });

  constructor(options: ChartsOptions) {
    this.#options = options;
    this.#grown = new Turns({
      everyMs: GROWN_EVERY_MS,
      nowMs: options.nowMs,
      take: (entry) => {
        if (entry.visible && this.zoom.peek() === null) entry.version.value++;
      },
    });
    this.axis = signal(options.axis);
    this.logY = signal(options.logY);
    this.smoothing = signal(options.smoothing);
  }

  get names(): string[] {
    return this.#names.value;
  }

  /** Of a name in {@link shown}. */
  entry(name: string): ChartEntry {
    return this.#entries.get(name)!;
  }

  /** All series that are known, for the console and tests. */
  entries(): ChartEntry[] {
    return [...this.#entries.values()];
  }

  /** What a chart draws now: of what is zoomed to the whole series stands in until it has come. */
  dataOf(entry: ChartEntry): SeriesData | null {
    return this.zoom.peek() === null ? entry.overview : entry.detail ?? entry.overview;
  }

  /** The server told which series there are. */
  setSeries(series: { name: string; lastValue: number }[]): void {
    for (const { name, lastValue } of series) this.#know(name, lastValue);
    this.#sortNames();
  }

  #know(name: string, lastValue: number): ChartEntry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = new ChartEntry(name, lastValue);
      this.#entries.set(name, entry);
    }
    entry.lastValue = lastValue;
    return entry;
  }

  #sortNames(): void {
    if (this.#names.peek().length === this.#entries.size) return;
    this.#names.value = [...this.#entries.keys()].toSorted(byName);
  }

  /** A chart came into sight, or left it. */
  setVisible(entry: ChartEntry, visible: boolean): void {
    entry.visible = visible;
    if (visible) this.#readSoon(GATHER_MS);
    else this.#forgetOldest();
  }

  #forgetOldest(): void {
    const hidden = this.entries().filter(({ visible, overview }) => !visible && overview !== null);
    for (const entry of hidden.slice(0, -KEPT_MAX)) {
      entry.overview = entry.detail = null;
      entry.stale = false;
    }
  }

  /** Commits of the run. */
  onCommits(commits: Commits): void {
    for (const { name, timeUnixS, step, value } of commits.samples) {
      const columns: SeriesColumns = {
        timeS: decodeF64(timeUnixS),
        step: decodeF64(step),
        value: decodeF64(value),
        min: null,
        max: null,
      };
      this.append(name, columns);
    }
    if (commits.missed) this.reread();
  }

  /** Samples of a series that were committed. What is zoomed to stands still. */
  append(name: string, columns: SeriesColumns): void {
    const entry = this.#know(name, columns.value[columns.value.length - 1] ?? NaN);
    this.#sortNames();
    entry.tail?.push(columns);
    if (entry.overview === null) return;
    if (entry.overview.append(columns) === 0) return;
    if (entry.overview.overfull) this.#trim(entry);
    if (entry.visible && this.zoom.peek() === null) this.#grown.ask(entry);
  }

  /** Thins what is drawn; what nobody sees grows no further, and is read when it is seen. */
  #trim(entry: ChartEntry): void {
    if (entry.visible && this.dataOf(entry) === entry.overview) {
      entry.stale = true;
      this.#readSoon(GATHER_MS);
    } else {
      entry.overview = null;
      entry.stale = false;
    }
  }

  /** Something may have been missed: what is loaded is read again. */
  reread(): void {
    for (const entry of this.#entries.values()) {
      entry.stale = entry.overview !== null;
    }
    this.#readSoon(GATHER_MS);
  }

  /** Shows a part of the x axis, as it was dragged in the chart of `entry`. */
  zoomTo(entry: ChartEntry, axis: XAxis, min: number, max: number): void {
    const data = this.dataOf(entry);
    const range = data && timeRangeOf(data, axis, min, max);
    if (range === null || !(max > min)) return;
    this.#setZoom({ axis, min, max, range });
  }

  resetZoom(): void {
    if (this.zoom.peek() !== null) this.#setZoom(null);
  }

  #setZoom(zoom: Zoom | null): void {
    this.zoom.value = zoom;
    for (const entry of this.#entries.values()) {
      entry.detail = null;
      entry.version.value++;
    }
    this.#readSoon(0);
  }

  /** Another axis shows the whole again: a part of one is no part of the other. */
  setAxis(axis: XAxis): void {
    this.axis.value = axis;
    this.resetZoom();
  }

  #readSoon(afterMs: number): void {
    if (this.#reading || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#read();
    }, afterMs);
  }

  /** Visible entries that have to be read: new ones at once, stale ones when it is time. */
  #due(nowMs: number): ChartEntry[] {
    const zoomed = this.zoom.peek() !== null;
    const visible = this.entries().filter((entry) => entry.visible);
    const missing = visible.filter((entry) => (zoomed ? entry.detail : entry.overview) === null);
    if (missing.length > 0) return missing.slice(0, SERIES_PER_READ);
    const stale = zoomed ? [] : visible.filter((entry) => entry.stale);
    if (stale.length === 0) return [];
    const waitMs = this.#rereadAtMs + REREAD_MS - nowMs;
    if (waitMs > 0) {
      this.#readSoon(waitMs);
      return [];
    }
    return stale.slice(0, SERIES_PER_READ);
  }

  async #read(): Promise<void> {
    const { run, nowMs } = this.#options;
    const due = this.#due(nowMs());
    if (due.length === 0) return;
    const zoom = this.zoom.peek();
    this.#reading = true;
    if (zoom === null) { for (const entry of due) entry.tail = []; }
    let pauseMs = 0;
    try {
      const windows = await this.#options.fetchWindows(run, {
        series: due.map(({ name }) => name),
        range: zoom?.range ?? null,
        points: POINTS,
      });
      // What was dragged meanwhile is read next.
      if (zoom === this.zoom.peek()) this.#take(due, windows, zoom !== null);
    } catch (error) {
      for (const entry of due) entry.error.value = (error as Error).message;
      pauseMs = RETRY_MS;
    }
    for (const entry of due) entry.tail = null;
    this.#reading = false;
    if (zoom === null) this.#rereadAtMs = nowMs();
    this.#readSoon(pauseMs);
  }

  #take(entries: ChartEntry[], windows: SeriesWindow[], zoomed: boolean): void {
    const byName = new Map(windows.map((window) => [window.name, window]));
    for (const entry of entries) {
      const data = new SeriesData(byName.get(entry.name) ?? NO_COLUMNS);
      if (zoomed) entry.detail = data;
      else {
        for (const columns of entry.tail ?? []) data.append(columns);
        entry.overview = data;
        entry.stale = false;
      }
      entry.error.value = null;
      entry.version.value++;
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#grown.stop();
  }
}

const NO_COLUMNS: SeriesColumns = { timeS: [], step: [], value: [], min: null, max: null };

/** "loss/2" before "loss/10". */
const collator = new Intl.Collator("en", { numeric: true });
const byName = (a: string, b: string) => collator.compare(a, b);

/**
 * Series by what stands before the first slash. Those without one come first, under "", and with them those that would be
 * alone in their group.
 */
export function groupSeries(names: readonly string[]): [group: string, names: string[]][] {
  const prefixOf = (name: string) => name.slice(0, Math.max(0, name.indexOf("/")));
  const counts = new Map<string, number>();
  for (const prefix of names.map(prefixOf)) counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  const groups = Map.groupBy(names, (name) => {
    const prefix = prefixOf(name);
    return counts.get(prefix)! > 1 ? prefix : "";
  });
  return [...groups].toSorted(([a], [b]) => byName(a, b));
}
