/** Runs whose clients vanished without a word are marked as lost. */

import { getLogger } from "@logtape/logtape";
import { messageOf } from "../core/errors.ts";
import type { IngestContext } from "./context.ts";

const RUNS_PAGE = 1000;
const RETRY_MS = 5_000;

const logger = getLogger(["telebridge", "ingest"]);

type Parts = Pick<IngestContext, "history" | "presence" | "runsChanged" | "store">;

/** Waits for the clients of all runs that were going on when the process before this one ended. */
export async function expectRunning(
  parts: Pick<Parts, "history" | "presence">,
  retryMs = RETRY_MS,
): Promise<void> {
  const { history, presence } = parts;
  try {
    let after: string | undefined;
    do {
      const page = await history.call("runs", { limit: RUNS_PAGE, after });
      for (const { runId, state } of page.rows) if (state === "running") presence.expect(runId);
      after = page.next ?? undefined;
    } while (after !== undefined);
  } catch (error) {
    if (history.stopped) return;
    logger.warn`cannot tell which runs were going on, trying again: ${messageOf(error)}`;
    Deno.unrefTimer(setTimeout(() => void expectRunning(parts, retryMs), retryMs));
  }
}

/** Its end is when it was heard last. */
export async function markLost(parts: Parts, runId: string): Promise<void> {
  const { history, presence, store, runsChanged } = parts;
  try {
    const run = await history.call("run", runId);
    if (run === null || run.state !== "running" || presence.has(runId)) return;
    const timeUnixNs = run.lastTimeUnixNs || run.startTimeUnixNs;
    const reason = "its client vanished";
    await store.call("finishRun", runId, { timeUnixNs, state: "lost", reason });
    runsChanged();
  } catch (error) {
    if (history.stopped) return;
    logger.warn`cannot mark run ${runId} as lost, trying again later: ${messageOf(error)}`;
    presence.expect(runId);
  }
}
