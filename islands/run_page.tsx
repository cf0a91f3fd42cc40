/** The page of one run: its picture on a stage, its numbers, what can be done with it. */

import type { JSX } from "preact";
import type { StreamState } from "../proto/wire.ts";
import { ActionBar } from "./action_bar.tsx";
import { AppBar } from "./app_bar.tsx";
import { exposeDebugHandle } from "./debug_handle.ts";
import { HelpSheet } from "./help_sheet.tsx";
import { LatencyPanel } from "./latency_panel.tsx";
import { BrokenNotice, RefusedNotice, UnauthorisedNotice } from "./notice.tsx";
import { PhaseChip } from "./phase_chip.tsx";
import { RunModel } from "./run_model.ts";
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
  exposeDebugHandle(model.client);
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
  return <RunPage model={model} />;
}

/** The phase that the chip shows: the run's own, refined by what this page knows. */
function phaseOf(state: StreamState): string {
  return state.phase === "live" && state.paused ? "paused" : state.phase;
}

function RunPage({ model }: { model: RunModel }) {
  const connection = model.connection.value;
  const state = model.state.value;
  const fatal = fatalNotice(model);
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
        {model.connected.value && state !== null && <PhaseChip phase={phaseOf(state)} />}
      </AppBar>
      {fatal !== null && <main class="runs-page">{fatal}</main>}
      <main class="run-page" hidden={fatal !== null}>
        <div class="run-main">
          <Stage model={model} />
          <ActionBar model={model} />
        </div>
        <aside class="run-side" aria-label="Figures and settings">
          <LatencyPanel model={model} />
          <SettingsPanel model={model} />
          <VideoPanel model={model} />
          <StreamPanel model={model} />
        </aside>
      </main>
      <HelpSheet model={model} />
    </>
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
