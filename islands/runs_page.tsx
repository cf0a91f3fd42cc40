/** The list of runs: live ones first, each with its newest picture and numbers, then what is stored of others. */

import { effect, untracked, useComputed } from "@preact/signals";
import type { JSX } from "preact";
import type { RunSummary } from "../proto/wire.ts";
import { commandAgent, fetchAgents } from "./agents_api.ts";
import { AgentsModel } from "./agents_model.ts";
import { AgentsPanel } from "./agents_panel.tsx";
import { AppBar } from "./app_bar.tsx";
import { exposeDebugHandle } from "./debug_handle.ts";
import { DurableBanner, HistoryBanner } from "./durable_banner.tsx";
import { EmptyRuns } from "./empty_runs.tsx";
import { formatCount, formatSentence } from "./format.ts";
import { fetchStoredRun, fetchStoredRuns } from "./history_api.ts";
import { CloseIcon } from "./icons.tsx";
import { LastValues } from "./last_values.ts";
import { BrokenNotice, Notice, RefusedNotice, UnauthorisedNotice } from "./notice.tsx";
import { SearchField } from "./panel.tsx";
import { RunCard } from "./run_card.tsx";
import { sortRuns } from "./run_order.ts";
import { listenForShortcuts } from "./shortcuts.ts";
import { StoredList } from "./stored_list.tsx";
import { mergeRuns, StoredRuns } from "./stored_runs.ts";
import { switchTheme } from "./theme.ts";
import { ViewerClient } from "./viewer_client.ts";

interface PageProps {
  client: ViewerClient;
  stored: StoredRuns;
  lastValues: LastValues;
  agents: AgentsModel;
}

export function startRunsPage(): JSX.Element {
  const client = new ViewerClient();
  const stored = new StoredRuns(fetchStoredRuns);
  const agents = new AgentsModel({ run: null, fetch: fetchAgents, command: commandAgent });
  exposeDebugHandle(client);
  listenForShortcuts({ t: switchTheme }, () => true);
  client.open(null);
  effect(() => {
    // With each session, and whenever the server tells that they have changed.
    client.runsVersion.value;
    if (client.sessions.value > 0) untracked(() => stored.refresh());
  });
  agents.readWith(client);
  return (
    <RunsPage
      client={client}
      stored={stored}
      lastValues={new LastValues(fetchStoredRun)}
      agents={agents}
    />
  );
}

function RunsPage({ client, stored, lastValues, agents }: PageProps) {
  const connection = useComputed(() => client.status.value?.connection ?? null).value;
  const runs = client.runs.value;
  const filter = stored.filter.value;
  const { cards, rows } = mergeRuns(runs ?? [], stored.found.value, filter);
  const count = cards.length + rows.length;
  // One that only stores rows is as live as one with a picture.
  const live = cards.filter(({ phase }) => phase === "live" || phase === "paused").length +
    rows.filter(({ state }) => state === "running").length;
  const isFiltered = filter.text !== "" || filter.tag !== null;
  const counted = formatCount(count) + (stored.hasMore.value ? "+" : "");
  return (
    <>
      <AppBar connection={connection} />
      <DurableBanner durable={client.durable.value} />
      {connection?.phase === "open" && <HistoryBanner error={stored.error.value} />}
      <main class="runs-page">
        <div class="runs-title">
          <h1>Runs</h1>
          {count > 0 && (
            <p class="muted" data-runs="count">
              {isFiltered ? `${counted} found` : `${live} live, ${counted} in all`}
            </p>
          )}
          {(count > 1 || isFiltered) && <Filter stored={stored} />}
        </div>
        <RunsBody
          client={client}
          stored={stored}
          lastValues={lastValues}
          agents={agents}
          phase={connection?.phase ?? "connecting"}
        />
      </main>
    </>
  );
}

function Filter({ stored }: { stored: StoredRuns }) {
  const tag = stored.tag.value;
  return (
    <div class="runs-filter">
      {tag !== null && (
        <button
          type="button"
          class="tag"
          aria-label={`Show runs without the tag ${tag} too`}
          onClick={() => stored.setTag(null)}
        >
          {tag}
          <CloseIcon />
        </button>
      )}
      <SearchField
        label="Filter the runs"
        placeholder="Filter by name, tag or state"
        value={stored.text.value}
        onInput={(text) => stored.setText(text)}
      />
    </div>
  );
}

function RunsBody(
  { client, stored, lastValues, agents, phase }: PageProps & { phase: string },
) {
  const runs = client.runs.value;
  const reason = client.status.value?.connection.reason ?? null;
  const mayAct = client.status.value?.connection.access === "control";
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
      <AgentsPanel model={agents} mayAct={mayAct} isLost={lost !== false} />
      <Lists
        runs={runs}
        stored={stored}
        lastValues={lastValues}
        agents={agents}
        stale={lost !== false}
      />
    </>
  );
}

interface ListsProps extends Omit<PageProps, "client"> {
  runs: RunSummary[];
  stale: boolean;
}

function Lists({ runs, stored, lastValues, agents, stale }: ListsProps) {
  const filter = stored.filter.value;
  const isFiltered = filter.text !== "" || filter.tag !== null;
  const loading = stored.loading.value;
  // Whether an ended run has a row is not known before.
  const known = stored.runs.value === null && loading
    ? runs.filter(({ phase }) => phase !== "ended")
    : runs;
  const { cards, rows } = mergeRuns(known, stored.found.value, filter);
  const nothing = cards.length === 0 && rows.length === 0;
  return (
    <>
      {cards.length > 0 && (
        <ul class="run-grid" data-stale={stale}>
          {sortRuns(cards).map((run) => <RunCard key={run.id} run={run} />)}
        </ul>
      )}
      {rows.length > 0 && (
        <StoredList
          runs={rows}
          lastValues={lastValues}
          onTag={(tag) => stored.setTag(tag)}
        />
      )}
      {stored.runs.value === null && loading && (
        <p class="muted" role="status">Loading stored runs…</p>
      )}
      {nothing && !loading && isFiltered && (
        <p class="muted" data-state="none-found">No run matches.</p>
      )}
      {nothing && !loading && !isFiltered && stored.error.value === null &&
        !agents.hasAgents.value && <EmptyRuns />}
      {stored.hasMore.value && (
        <button
          type="button"
          class="button show-more"
          data-action="more-runs"
          disabled={loading}
          onClick={() => stored.readMore()}
        >
          {loading ? "Loading…" : "Show more"}
        </button>
      )}
    </>
  );
}
