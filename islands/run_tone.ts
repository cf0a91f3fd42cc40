/** A stored run's state as a word and a colour. */

import type { StoredRun } from "../proto/wire.ts";
import type { ChipTone } from "./phase_chip.tsx";

export const STORED_STATES: Readonly<Record<StoredRun["state"], [label: string, tone: ChipTone]>> =
  {
    running: ["Running", "live"],
    finished: ["Finished", "quiet"],
    failed: ["Failed", "bad"],
    lost: ["Lost", "warn"],
  };

/** From its start to its end; of one that goes on, to its newest row or now. */
export function runDurationMs(run: StoredRun, nowMs: number): number {
  const endMs = run.endedAtMs ?? (run.state === "running" ? nowMs : run.lastRowAtMs);
  return Math.max(0, (endMs ?? run.startedAtMs) - run.startedAtMs);
}
