/** The list of runs: live ones first, each with its newest picture and numbers. */

import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import type { RunSummary } from "../proto/wire.ts";
import { AppBar } from "./app_bar.tsx";
import { exposeDebugHandle } from "./debug_handle.ts";
import { EmptyRuns } from "./empty_runs.tsx";
import { formatSentence } from "./format.ts";
import { BrokenNotice, Notice, RefusedNotice, UnauthorisedNotice } from "./notice.tsx";
import { RunCard } from "./run_card.tsx";
import { sortRuns } from "./run_order.ts";
import { listenForShortcuts } from "./shortcuts.ts";
import { switchTheme } from "./theme.ts";
import { ViewerClient } from "./viewer_client.ts";

export function startRunsPage(): JSX.Element {
  const client = new ViewerClient();
  exposeDebugHandle(client);
  listenForShortcuts({ t: switchTheme }, () => true);
  client.open(null);
  return <RunsPage client={client} />;
}

function RunsPage({ client }: { client: ViewerClient }) {
  const connection = useComputed(() => client.status.value?.connection ?? null).value;
  const runs = client.runs.value;
  const live = runs?.filter((run) => run.phase === "live" || run.phase === "paused").length ?? 0;
  return (
    <>
      <AppBar connection={connection} />
      <main class="runs-page">
        <div class="runs-title">
          <h1>Runs</h1>
          {runs !== null && runs.length > 0 && (
            <p class="muted" data-runs="count">{live} live, {runs.length} in all</p>
          )}
        </div>
        <RunsBody client={client} runs={runs} phase={connection?.phase ?? "connecting"} />
      </main>
    </>
  );
}

interface RunsBodyProps {
  client: ViewerClient;
  runs: RunSummary[] | null;
  phase: string;
}

function RunsBody({ client, runs, phase }: RunsBodyProps) {
  const reason = client.status.value?.connection.reason ?? null;
  if (client.failure.value !== null) return <BrokenNotice reason={client.failure.value} />;
  if (phase === "unauthorised") return <UnauthorisedNotice />;
  if (phase === "refused") return <RefusedNotice reason={reason} />;
  const lost = phase === "reconnecting" && (
    <Notice state="reconnecting" title="The server cannot be reached">
      <p>
        {formatSentence(reason ?? "the connection was lost")} This page tries again by itself
        {runs === null ? "." : "; what stands below is from before."}
      </p>
    </Notice>
  );
  if (runs === null) return lost || <p class="muted" role="status">Connecting…</p>;
  return (
    <>
      {lost}
      {runs.length === 0 ? <EmptyRuns /> : (
        <ul class="run-grid" data-stale={lost !== false}>
          {sortRuns(runs).map((run) => <RunCard key={run.id} run={run} />)}
        </ul>
      )}
    </>
  );
}
