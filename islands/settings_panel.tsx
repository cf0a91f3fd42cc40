/** The knobs: what of the run is sent, and how the heat map lies over the picture. */

import { Choice, Panel, Switch } from "./panel.tsx";
import type { RunModel } from "./run_model.ts";

const FPS_CAPS = [[30, "30"], [60, "60"], [120, "120"], [0, "Off"]] as const;
const EVERY_NTH = [[1, "1"], [2, "2"], [5, "5"], [10, "10"]] as const;

export function SettingsPanel({ model }: { model: RunModel }) {
  const { fpsMax, everyNth, stayLive } = model.stream.value;
  const { visible, opacity } = model.overlay.value;
  return (
    <Panel title="Picture">
      <Choice
        label="FPS cap"
        name="fps-max"
        value={fpsMax}
        choices={FPS_CAPS}
        onChange={(fpsMax) => model.setStream({ fpsMax })}
      />
      <Choice
        label="Every n-th frame"
        name="every-nth"
        value={everyNth}
        choices={EVERY_NTH}
        onChange={(everyNth) => model.setStream({ everyNth })}
      />
      <Switch
        label="Drop frames to stay live"
        name="stay-live"
        on={stayLive}
        onChange={(stayLive) => model.setStream({ stayLive })}
        title="Off: every frame in order, as long as the run's ring still holds it"
      />
      <Switch
        label="Heat map"
        name="overlay"
        on={visible}
        onChange={(visible) => model.setOverlay({ visible })}
      />
      <label class="slider">
        <span>Opacity</span>
        <input
          type="range"
          name="overlay-opacity"
          min="0"
          max="1"
          step="0.05"
          value={opacity}
          disabled={!visible}
          onInput={(event) => model.setOverlay({ opacity: event.currentTarget.valueAsNumber })}
        />
        <output>{Math.round(opacity * 100)}%</output>
      </label>
      <Switch
        label="Heat map in saved PNG"
        name="overlay-in-png"
        on={model.overlayInSavedPng.value}
        onChange={(included) => model.setOverlayInSavedPng(included)}
      />
    </Panel>
  );
}
