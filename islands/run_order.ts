/** The order of the runs page. */

import type { RunPhase, RunSummary } from "../proto/wire.ts";

const PHASE_ORDER: RunPhase[] = ["live", "paused", "idle", "error", "ended"];

/** Live runs first, then the newest. */
export function sortRuns(runs: RunSummary[]): RunSummary[] {
  const rank = (run: RunSummary) => PHASE_ORDER.indexOf(run.phase);
  return runs.toSorted((a, b) => rank(a) - rank(b) || b.startedAtMs - a.startedAtMs);
}
