/**
 * `telebridge.snapshot()` in the browser's console: the viewer's figures as plain data, read-only. Tests and benchmarks
 * read the same.
 */

import type { Durable, RunSummary } from "../proto/wire.ts";
import type { ViewerStatus } from "../viewer/messages.ts";
import type { ChartEntry, ChartsModel } from "./charts_model.ts";
import type { ViewerClient } from "./viewer_client.ts";

/** What a chart holds. */
export interface ChartStatus {
  name: string;
  visible: boolean;
  points: number;
  /** Whether points stand for many samples each. */
  thinned: boolean;
  lastTimeS: number | null;
  lastStep: number | null;
  lastValue: number | null;
}

export interface Snapshot extends ViewerStatus {
  runs: RunSummary[];
  durable: Durable | null;
  /** Empty on the runs page. */
  charts: ChartStatus[];
}

export interface DebugHandle {
  /** State, HUD values, frame counters and latencies (ms) as of the last tenth of a second. null before the first. */
  snapshot(): Snapshot | null;
}

declare global {
  var telebridge: DebugHandle;
}

export function exposeDebugHandle(client: ViewerClient, charts?: ChartsModel): void {
  const handle: DebugHandle = Object.freeze({
    snapshot() {
      const status = client.status.peek();
      if (status === null) return null;
      return structuredClone({
        ...status,
        runs: client.runs.peek() ?? [],
        durable: client.durable.peek(),
        charts: charts?.entries().map((entry) => statusOf(charts, entry)) ?? [],
      });
    },
  });
  Object.defineProperty(globalThis, "telebridge", { value: handle, enumerable: true });
}

function statusOf(charts: ChartsModel, entry: ChartEntry): ChartStatus {
  const data = charts.dataOf(entry);
  return {
    name: entry.name,
    visible: entry.visible,
    points: data?.points ?? 0,
    thinned: data?.min != null,
    lastTimeS: data?.timeS.at(-1) ?? null,
    lastStep: data?.step.at(-1) ?? null,
    lastValue: data?.value.at(-1) ?? null,
  };
}
