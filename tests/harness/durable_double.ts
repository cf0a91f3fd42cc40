/** The durable lane without an ingest process: tests say what it tells, and see what it was told. */

import type {
  DurableState,
  MetricValue,
  RemoteWorker,
  RoutePreference,
} from "../../core/durable/feed.ts";
import type { DurableLane, DurableListener, GrpcEndpoints } from "../../core/durable/lane.ts";
import type { SampleColumns } from "../../core/storage/records.ts";

export class DurableDouble implements DurableLane {
  state: DurableState = { state: "ok", reason: "" };
  workers: RemoteWorker[] = [];
  readonly endpoints: GrpcEndpoints = { unixSocket: null, port: null, remote: null };
  readonly metrics: readonly MetricValue[] = [];
  readonly restarts = 0;
  followed: ReadonlySet<string> = new Set();
  watched: ReadonlySet<string> = new Set();
  readonly listeners: DurableListener[] = [];
  readonly #routes = new Map<string, RoutePreference>();

  listen(listener: DurableListener): void {
    this.listeners.push(listener);
  }

  setFollowed(runIds: ReadonlySet<string>): void {
    this.followed = runIds;
  }

  setWatched(runIds: ReadonlySet<string>): void {
    this.watched = runIds;
  }

  preferRoute(runId: string, prefer: RoutePreference): void {
    this.#routes.set(runId, prefer);
    for (const listener of this.listeners) listener.onRoute?.(runId, prefer);
  }

  routeOf(runId: string): RoutePreference {
    return this.#routes.get(runId) ?? "auto";
  }

  command(): Promise<string> {
    return Promise.reject(new Error("no worker is connected"));
  }

  /** The state becomes this one. */
  become(state: DurableState): void {
    this.state = state;
    for (const listener of this.listeners) listener.onState?.(state);
  }

  /** These workers are connected. */
  connect(workers: RemoteWorker[]): void {
    this.workers = workers;
    for (const listener of this.listeners) listener.onWorkers?.(workers);
  }

  /** Samples of a run were committed: `[series, time in s, step, value]`. */
  commit(runId: string, samples: [string, number, number | null, number][]): void {
    const names = [...new Set(samples.map(([name]) => name))];
    const columns: SampleColumns = {
      names,
      series: Uint32Array.from(samples, ([name]) => names.indexOf(name)),
      timeUnixNs: BigInt64Array.from(samples, ([, timeS]) => BigInt(timeS * 1e9)),
      step: BigUint64Array.from(samples, ([, , step]) => BigInt.asUintN(64, BigInt(step ?? -1))),
      value: Float64Array.from(samples, ([, , , value]) => value),
    };
    for (const listener of this.listeners) {
      listener.onCommits?.(runId, { samples: samples.length }, columns);
    }
  }

  /** Commits of a run were left out. */
  miss(runId: string): void {
    for (const listener of this.listeners) listener.onMissed?.(runId);
  }

  /** Runs were made, ended, tagged or deleted. */
  changeRuns(): void {
    for (const listener of this.listeners) listener.onRuns?.();
  }
}
