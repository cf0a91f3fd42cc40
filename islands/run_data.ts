/** What is stored of the run on this page, kept up to date by the commits that the session tells. */

import { effect, signal, untracked } from "@preact/signals";
import type { Commits, StoredRowCounts, StoredRunDetails } from "../proto/wire.ts";
import { decodeF64 } from "../proto/wire.ts";
import { ChartsModel } from "./charts_model.ts";
import { EPISODE_SERIES, Episodes } from "./episodes.ts";
import { fetchEpisodes, fetchLogs, fetchStoredRun, fetchWindows } from "./history_api.ts";
import { LogsModel } from "./logs_model.ts";
import { readPreferences } from "./preferences.ts";
import type { ViewerClient } from "./viewer_client.ts";

export type DataTab = "charts" | "logs" | "details";

/** The run's own row is read at most so often. */
const REFRESH_MS = 1_000;
const RETRY_MS = 3_000;
/** Kinds of rows of which the run's details show more than their number. */
const DETAILED: readonly (keyof StoredRowCounts)[] = ["params", "checkpoints"];

export class RunData {
  readonly run: string;
  readonly charts: ChartsModel;
  readonly logs: LogsModel;
  readonly #episodes: Episodes;
  /** null: nothing is stored, or it is not known yet. */
  readonly details = signal<StoredRunDetails | null>(null);
  readonly error = signal<string | null>(null);
  readonly tab = signal<DataTab>(location.hash === "#logs" ? "logs" : "charts");
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refreshing = false;
  #refreshAgain = false;

  constructor(run: string) {
    const { chartAxis, chartLogY, chartSmoothing } = readPreferences();
    this.run = run;
    this.logs = new LogsModel(run, fetchLogs);
    this.#episodes = new Episodes(run, fetchEpisodes);
    this.charts = new ChartsModel({
      run,
      fetchWindows: (run, options) => this.#fetchWindows(run, options),
      nowMs: () => performance.now(),
      axis: chartAxis,
      logY: chartLogY,
      smoothing: chartSmoothing,
    });
  }

  /** Follows the run over every session of the client. */
  start(client: ViewerClient): void {
    client.onCommits = (commits) => this.#onCommits(commits);
    client.follow(this.run);
    // Rows may have been missed between two sessions, and runs end without a commit.
    const { sessions, runsVersion } = client;
    effect(() => {
      sessions.value;
      runsVersion.value;
      untracked(() => this.#refresh());
    });
    effect(() => {
      if (sessions.value > 1) untracked(() => this.#readAgain());
    });
    effect(() => {
      if (this.tab.value === "logs") untracked(() => this.logs.read());
    });
  }

  #readAgain(): void {
    this.charts.reread();
    this.#readEpisodes();
    if (this.logs.lines.peek() !== null) this.logs.read();
  }

  #onCommits(commits: Commits): void {
    if (commits.run !== this.run) return;
    this.charts.onCommits(commits);
    const details = this.details.peek();
    const { rows } = commits;
    if (details === null || DETAILED.some((kind) => rows[kind])) this.#refresh();
    else this.details.value = { ...details, rows: added(details.rows, rows) };
    if (rows.episodes || commits.missed) this.#readEpisodes();
    if ((rows.logs || commits.missed) && this.logs.lines.peek() !== null) this.logs.read();
  }

  /** Reads the run's details, soon after it was asked for and not too often. */
  #refresh(): void {
    this.#refreshAgain = true;
    if (this.#refreshing || this.#timer !== undefined) return;
    this.#read();
  }

  async #read(): Promise<void> {
    this.#refreshing = true;
    this.#refreshAgain = false;
    let pauseMs = REFRESH_MS;
    try {
      const details = await fetchStoredRun(this.run);
      this.details.value = details;
      this.error.value = null;
      if (details !== null) this.#takeSeries(details);
    } catch (error) {
      this.error.value = (error as Error).message;
      this.#refreshAgain = true;
      pauseMs = RETRY_MS;
    }
    this.#refreshing = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#refreshAgain) this.#read();
    }, pauseMs);
  }

  #takeSeries({ series, rows }: StoredRunDetails): void {
    const logged = series.map(({ name, lastValue }) => ({
      name,
      lastValue: decodeF64(lastValue)[0] ?? NaN,
    }));
    if (rows.episodes === 0) return this.charts.setSeries(logged);
    // A logged series of the same name is drawn in place of ours.
    const names = new Set(logged.map(({ name }) => name));
    const ours = EPISODE_SERIES.filter((name) => !names.has(name));
    this.charts.setSeries([
      ...logged,
      ...ours.map((name) => ({ name, lastValue: this.#episodes.lastValue(name) })),
    ]);
    this.#readEpisodes();
  }

  async #readEpisodes(): Promise<void> {
    const first = this.#episodes.count;
    try {
      await this.#episodes.read();
    } catch {
      // The next commit, or the next session, asks again.
      return;
    }
    if (this.#episodes.count === first) return;
    for (const name of EPISODE_SERIES.filter((name) => this.#isOurs(name))) {
      this.charts.append(name, this.#episodes.since(name, first));
    }
  }

  #isOurs(name: string): boolean {
    return EPISODE_SERIES.includes(name) &&
      !(this.details.peek()?.series.some((series) => series.name === name) ?? false);
  }

  async #fetchWindows(...[run, options]: Parameters<typeof fetchWindows>) {
    const { series, range, points } = options;
    const ours = series.filter((name) => this.#isOurs(name));
    const logged = series.filter((name) => !ours.includes(name));
    const [windows, episodes] = await Promise.all([
      logged.length === 0 ? [] : fetchWindows(run, { ...options, series: logged }),
      Promise.all(ours.map((name) => this.#episodes.window(name, range, points))),
    ]);
    return [...windows, ...episodes];
  }
}

function added(rows: StoredRowCounts, more: Partial<StoredRowCounts>): StoredRowCounts {
  const sum = { ...rows };
  for (const [kind, count] of Object.entries(more) as [keyof StoredRowCounts, number][]) {
    sum[kind] += count;
  }
  return sum;
}
