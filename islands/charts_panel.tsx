/** All series of a run as small charts in groups, and what holds for all of them. */

import { useSignal } from "@preact/signals";
import { Chart } from "./chart.tsx";
import { type ChartsModel, groupSeries } from "./charts_model.ts";
import { formatClock, formatCount } from "./format.ts";
import { Choice, SearchField, Slider, Switch } from "./panel.tsx";
import { savePreferences } from "./preferences.ts";

/** Of a group, until a person asks for more. */
const CHARTS_SHOWN = 24;
const SMOOTHING_MAX = 0.99;
const SMOOTHING_STEP = 0.01;
const AXES = [["step", "Step"], ["time", "Time"]] as const;

export function ChartsPanel({ model }: { model: ChartsModel }) {
  const shown = model.shown.value;
  return (
    <div class="charts">
      <ChartsToolbar model={model} />
      <ZoomNote model={model} />
      {shown.length === 0 && (
        <p class="muted" data-state="no-series">
          {model.names.length === 0
            ? "No scalars have been logged yet. They appear by themselves."
            : `No series has “${model.search.value}” in its name.`}
        </p>
      )}
      {groupSeries(shown).map(([group, names]) => (
        <ChartGroup key={group} model={model} group={group} names={names} />
      ))}
    </div>
  );
}

function ChartsToolbar({ model }: { model: ChartsModel }) {
  const smoothing = model.smoothing.value;
  return (
    <div class="charts-toolbar">
      <SearchField
        label="Search the series"
        placeholder={`Search ${formatCount(model.names.length)} series`}
        value={model.search.value}
        onInput={(text) => model.search.value = text}
      />
      <Choice
        label="X axis"
        name="chart-axis"
        value={model.axis.value}
        choices={AXES}
        onChange={(chartAxis) => {
          model.setAxis(chartAxis);
          savePreferences({ chartAxis });
        }}
      />
      <Slider
        label="Smoothing"
        name="chart-smoothing"
        value={smoothing}
        min={0}
        max={SMOOTHING_MAX}
        step={SMOOTHING_STEP}
        text={smoothing === 0 ? "off" : smoothing.toFixed(2)}
        title="Exponential moving average; the values themselves stay faintly in sight"
        onInput={(chartSmoothing) => {
          model.smoothing.value = chartSmoothing;
          savePreferences({ chartSmoothing });
        }}
      />
      <Switch
        label="Log y"
        name="chart-log-y"
        on={model.logY.value}
        onChange={(chartLogY) => {
          model.logY.value = chartLogY;
          savePreferences({ chartLogY });
        }}
      />
    </div>
  );
}

function ZoomNote({ model }: { model: ChartsModel }) {
  const zoom = model.zoom.value;
  if (zoom === null) return null;
  const name = (x: number) => zoom.axis === "step" ? formatCount(x) : formatClock(x * 1000);
  return (
    <p class="zoom-note" role="status" data-state="zoomed">
      <span>
        {zoom.axis === "step" ? "Steps" : "Time"} {name(zoom.min)} to{" "}
        {name(zoom.max)}; new samples wait.
      </span>
      <button
        type="button"
        class="button"
        data-action="reset-zoom"
        onClick={() => model.resetZoom()}
      >
        Show all
      </button>
    </p>
  );
}

interface ChartGroupProps {
  model: ChartsModel;
  group: string;
  names: string[];
}

function ChartGroup({ model, group, names }: ChartGroupProps) {
  const shownMax = useSignal(CHARTS_SHOWN);
  const hidden = names.length - shownMax.value;
  const prefix = group === "" ? "" : `${group}/`;
  return (
    <details class="chart-group" open data-group={group}>
      <summary>
        <h3>{group === "" ? "Scalars" : group}</h3>
        <span class="muted small">{formatCount(names.length)}</span>
      </summary>
      <div class="chart-grid">
        {names.slice(0, shownMax.value).map((name) => (
          <Chart
            key={name}
            model={model}
            entry={model.entry(name)}
            title={name.slice(prefix.length) || name}
          />
        ))}
      </div>
      {hidden > 0 && (
        <button
          type="button"
          class="button"
          onClick={() => shownMax.value += CHARTS_SHOWN}
        >
          Show more ({formatCount(hidden)})
        </button>
      )}
    </details>
  );
}
