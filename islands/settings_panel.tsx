/** The knobs: what of the run is sent, and how the heat map lies over the picture. */

import type { LaneChoice } from "../proto/wire.ts";
import { LANE_NAMES } from "./lane_notes.ts";
import { Choice, Panel, Slider, Switch } from "./panel.tsx";
import type { RunModel } from "./run_model.ts";

const LANES = [
  ["auto", "Auto"],
  ["raw", LANE_NAMES.raw],
  ["h264", LANE_NAMES.h264],
  ["jpeg", LANE_NAMES.jpeg],
] as const satisfies readonly (readonly [LaneChoice, string])[];
const LATENCY_MS_MAX = 500;
const LATENCY_STEP_MS = 10;

const FPS_CAPS = [[30, "30"], [60, "60"], [120, "120"], [0, "Off"]] as const;
const EVERY_NTH = [[1, "1"], [2, "2"], [5, "5"], [10, "10"]] as const;

export function SettingsPanel({ model }: { model: RunModel }) {
  const { fpsMax, everyNth, stayLive, lane, latencyMs, phaseLock } = model.stream.value;
  const { visible, opacity } = model.overlay.value;
  return (
    <Panel title="Picture">
      <Choice
        label="Lane"
        name="lane"
        value={lane}
        choices={LANES}
        onChange={(lane) => model.setStream({ lane })}
      />
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
      <Slider
        label="Latency"
        name="latency"
        value={latencyMs}
        min={0}
        max={LATENCY_MS_MAX}
        step={LATENCY_STEP_MS}
        text={latencyMs === 0 ? "at once" : `${latencyMs} ms`}
        onInput={(latencyMs) => model.setStream({ latencyMs })}
        title="How long after its step a frame is drawn, so that all are equally late; at once: the newest, as it comes"
      />
      <Switch
        label="In time with this display"
        name="phase-lock"
        on={phaseLock}
        disabled={latencyMs > 0}
        onChange={(phaseLock) => model.setStream({ phaseLock })}
        title="Encoded frames are sampled so that they are drawn just before the display takes a picture; not with a latency"
      />
      <Switch
        label="Heat map"
        name="overlay"
        on={visible}
        onChange={(visible) => model.setOverlay({ visible })}
      />
      <Slider
        label="Opacity"
        name="overlay-opacity"
        value={opacity}
        min={0}
        max={1}
        step={0.05}
        text={`${Math.round(opacity * 100)}%`}
        disabled={!visible}
        onInput={(opacity) => model.setOverlay({ opacity })}
      />
      <Switch
        label="Heat map in saved PNG"
        name="overlay-in-png"
        on={model.overlayInSavedPng.value}
        onChange={(included) => model.setOverlayInSavedPng(included)}
      />
    </Panel>
  );
}
