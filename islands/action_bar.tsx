/** What a person can do with the run, under the picture. */

import type { ComponentChildren } from "preact";
import {
  FullScreenIcon,
  HudIcon,
  LayersIcon,
  PauseIcon,
  PlayIcon,
  PointerIcon,
  SaveIcon,
  StepIcon,
} from "./icons.tsx";
import type { RunModel } from "./run_model.ts";
import { toggleFullScreen } from "./stage.tsx";

interface ActionProps {
  name: string;
  label: string;
  /** The shortcut's key, shown in the tooltip. */
  shortcut: string;
  onClick(): void;
  /** Pressed or not, for actions that are switches. */
  on?: boolean;
  /** Why it cannot be used now. */
  locked?: string | null;
  /** Its icon says enough where there is little room. */
  compact?: boolean;
  children: ComponentChildren;
}

function Action(
  { name, label, shortcut, onClick, on, locked, compact, children }: ActionProps,
) {
  return (
    <button
      type="button"
      class="button"
      data-action={name}
      data-compact={compact}
      onClick={onClick}
      aria-label={label}
      aria-pressed={on}
      disabled={locked != null}
      aria-keyshortcuts={shortcut}
      title={locked ?? `${label} (${shortcut})`}
    >
      {children}
      <span class="action-label">{label}</span>
    </button>
  );
}

export function ActionBar({ model }: { model: RunModel }) {
  const locked = model.locked.value;
  const paused = model.paused.value;
  const inControl = model.inControl.value;
  const taken = model.state.value?.control === "other" ? "Another viewer has control" : null;
  const noPicture = model.client.status.value?.picture ? null : "There is no picture yet";
  return (
    <div class="action-bar" role="group" aria-label="Actions">
      <Action
        name="pause"
        label={paused ? "Resume" : "Pause"}
        shortcut="Space"
        onClick={() => model.togglePause()}
        locked={locked}
      >
        {paused ? <PlayIcon /> : <PauseIcon />}
      </Action>
      <Action name="step" label="Step" shortcut="." onClick={() => model.step()} locked={locked}>
        <StepIcon />
      </Action>
      <Action
        name="control"
        label={inControl ? "Release control" : "Take control"}
        shortcut="c"
        onClick={() => model.toggleControl()}
        on={inControl}
        locked={locked ?? taken}
      >
        <PointerIcon />
      </Action>
      <span class="action-gap" />
      <Action
        name="hud"
        label="Numbers"
        shortcut="h"
        compact
        onClick={() => model.toggleHud()}
        on={model.hudVisible.value}
      >
        <HudIcon />
      </Action>
      <Action
        name="overlay"
        label="Heat map"
        shortcut="o"
        compact
        onClick={() => model.setOverlay({ visible: !model.overlay.value.visible })}
        on={model.overlay.value.visible}
      >
        <LayersIcon />
      </Action>
      <Action
        name="save"
        label="Save PNG"
        shortcut="s"
        compact
        onClick={() => model.save()}
        locked={noPicture}
      >
        <SaveIcon />
      </Action>
      <Action
        name="full-screen"
        label="Full screen"
        shortcut="f"
        compact
        onClick={toggleFullScreen}
      >
        <FullScreenIcon />
      </Action>
    </div>
  );
}
