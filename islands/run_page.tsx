/** The page of one run: its picture on a stage, its numbers, what can be done with it. */

import type { ComponentChildren, JSX } from "preact";
import type { StreamState } from "../proto/wire.ts";
import { ActionBar } from "./action_bar.tsx";
import { AgentPanel } from "./agent_panel.tsx";
import { commandAgent, fetchAgents } from "./agents_api.ts";
import { AgentsModel } from "./agents_model.ts";
import { AppBar } from "./app_bar.tsx";
import { DataPanel } from "./data_panel.tsx";
import { exposeDebugHandle } from "./debug_handle.ts";
import { DurableBanner, HistoryBanner } from "./durable_banner.tsx";
import { formatSentence } from "./format.ts";
import { HelpSheet } from "./help_sheet.tsx";
import { LatencyPanel } from "./latency_panel.tsx";
import { BrokenNotice, Notice, RefusedNotice, UnauthorisedNotice } from "./notice.tsx";
import { Chip, PhaseChip } from "./phase_chip.tsx";
import { RoutePanel } from "./route_panel.tsx";
import { RunData } from "./run_data.ts";
import { RunModel } from "./run_model.ts";
import { STORED_STATES } from "./run_tone.ts";
import { SettingsPanel } from "./settings_panel.tsx";
import { listenForShortcuts } from "./shortcuts.ts";
import { Stage, toggleFullScreen } from "./stage.tsx";
import { StreamPanel } from "./stream_panel.tsx";
import { switchTheme } from "./theme.ts";
import { VideoPanel } from "./video_panel.tsx";

export interface RunPageProps {
  run: string;
}

const OPACITY_STEP = 0.1;

export function startRunPage({ run }: RunPageProps): JSX.Element {
  const model = new RunModel(run);
  const data = new RunData(run);
  const agents = new AgentsModel({ run, fetch: fetchAgents, command: commandAgent });
  agents.readWith(model.client);
  exposeDebugHandle(model.client, data.charts);
  document.title = `${run} · telebridge`;
  const fade = (by: number) => {
    const opacity = Math.min(1, Math.max(0, model.overlay.value.opacity + by));
    model.setOverlay({ opacity });
  };
  listenForShortcuts({
    " ": () => model.togglePause(),
    ".": () => model.step(),
    c: () => model.toggleControl(),
    f: () => toggleFullScreen(),
    s: () => model.save(),
    h: () => model.toggleHud(),
    o: () => model.setOverlay({ visible: !model.overlay.value.visible }),
    "[": () => fade(-OPACITY_STEP),
    "]": () => fade(OPACITY_STEP),
    l: () => model.latencyOpen.value = !model.latencyOpen.value,
    t: switchTheme,
    "?": () => model.helpOpen.value = true,
  }, () => !model.inControl.value && !model.helpOpen.value);
  return <RunPage model={model} data={data} agents={agents} />;
}

/** The phase that the chip shows: the run's own, refined by what this page knows. */
function phaseOf(state: StreamState): string {
  return state.phase === "live" && state.paused ? "paused" : state.phase;
}

interface PageProps {
  model: RunModel;
  data: RunData;
  agents: AgentsModel;
}

/** A run that only has rows, or none that publishes any more, has no use for a stage. */
function hasStage({ model, data }: Omit<PageProps, "agents">): boolean {
  if (data.details.value === null) return true;
  if (model.client.status.value?.picture != null) return true;
  // Until the server has told, the stage says that it is being asked.
  const phase = model.state.value?.phase ?? "live";
  return phase === "live" || phase === "error";
}

function RunPage({ model, data, agents }: PageProps) {
  const connection = model.connection.value;
  const fatal = fatalNotice(model);
  const staged = hasStage({ model, data });
  const recorded = data.details.value !== null;
  return (
    <>
      <AppBar
        connection={connection}
        actions={
          <button
            type="button"
            class="icon-button help-button"
            onClick={() => model.helpOpen.value = true}
            aria-label="Keyboard shortcuts and help"
            title="Keyboard shortcuts and help (?)"
          >
            ?
          </button>
        }
      >
        <h1 class="run-name" title={model.run}>{model.run}</h1>
        <RunChip model={model} data={data} />
      </AppBar>
      <DurableBanner durable={model.client.durable.value} />
      {model.connected.value && <HistoryBanner error={data.error.value} />}
      {fatal !== null && <main class="runs-page">{fatal}</main>}
      <main
        class="run-page"
        hidden={fatal !== null}
        data-staged={staged}
        data-recorded={recorded}
      >
        {/* Never taken away: its canvas belongs to the worker. */}
        <div class="run-main" hidden={!staged}>
          <Stage model={model} onOpen={() => data.start(model.client)} />
          <ActionBar model={model} />
        </div>
        {!staged && <NoStageNotice model={model} />}
        <DataPanel data={data} />
        {(staged || agents.hasAgents.value) && (
          <Side model={model} agents={agents} staged={staged} />
        )}
      </main>
      <HelpSheet model={model} />
    </>
  );
}

/** The run's phase; of one that publishes nothing, what the store says of it. */
function RunChip({ model, data }: Omit<PageProps, "agents">) {
  const state = model.state.value;
  if (!model.connected.value || state === null) return null;
  const stored = data.details.value;
  if (stored === null || state.phase === "live" || state.phase === "error") {
    return <PhaseChip phase={phaseOf(state)} />;
  }
  const [label, tone] = STORED_STATES[stored.state];
  return <Chip tone={tone} label={label} name="phase" />;
}

interface SideProps {
  model: RunModel;
  agents: AgentsModel;
  staged: boolean;
}

function Side({ model, agents, staged }: SideProps): ComponentChildren {
  const mayAct = model.connection.value?.access === "control";
  return (
    <aside class="run-side" aria-label={staged ? "Figures and settings" : "Agent"}>
      <AgentPanel model={agents} run={model.run} mayAct={mayAct} />
      {staged && (
        <>
          <LatencyPanel model={model} />
          <RoutePanel model={model} />
          <SettingsPanel model={model} />
          <VideoPanel model={model} />
          <StreamPanel model={model} />
        </>
      )}
    </aside>
  );
}

/** Where the stage would say it. */
function NoStageNotice({ model }: { model: RunModel }) {
  const connection = model.connection.value;
  if (connection?.phase !== "reconnecting") return null;
  return (
    <Notice state="reconnecting" title="Reconnecting">
      <p>
        {formatSentence(connection.reason ?? "the connection was lost")}{" "}
        What stands below is from before.
      </p>
    </Notice>
  );
}

function fatalNotice(model: RunModel): JSX.Element | null {
  const failure = model.client.failure.value;
  if (failure !== null) return <BrokenNotice reason={failure} />;
  const connection = model.connection.value;
  if (connection?.phase === "unauthorised") return <UnauthorisedNotice />;
  if (connection?.phase === "refused") return <RefusedNotice reason={connection.reason} />;
  return null;
}
