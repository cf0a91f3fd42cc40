/** What is stored of the run, beside its picture: charts, log, details. */

import type { ComponentChildren, TargetedKeyboardEvent } from "preact";
import { ChartsPanel } from "./charts_panel.tsx";
import { DetailsPanel } from "./details_panel.tsx";
import { formatShortCount } from "./format.ts";
import { LogsPanel } from "./logs_panel.tsx";
import type { DataTab, RunData } from "./run_data.ts";

const TABS = [
  ["charts", "Charts"],
  ["logs", "Log"],
  ["details", "Details"],
] as const satisfies readonly (readonly [DataTab, string])[];

/** Of the tab that the arrow keys lead to. */
const TAB_MOVES: Readonly<Record<string, (index: number) => number>> = {
  ArrowRight: (index) => (index + 1) % TABS.length,
  ArrowLeft: (index) => (index + TABS.length - 1) % TABS.length,
  Home: () => 0,
  End: () => TABS.length - 1,
};

export function DataPanel({ data }: { data: RunData }) {
  const tab = data.tab.value;
  const details = data.details.value;
  if (details === null) return null;
  // The pattern of https://www.w3.org/WAI/ARIA/apg/patterns/tabs/: one of them in the order of the Tab key.
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>) => {
    const move = TAB_MOVES[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [name] = TABS[move(TABS.findIndex(([name]) => name === tab))]!;
    data.tab.value = name;
    event.currentTarget.querySelector<HTMLElement>(`[data-tab="${name}"]`)?.focus();
  };
  const counts = {
    charts: data.charts.names.length,
    logs: details.rows.logs,
    details: null,
  };
  return (
    <section class="data-panel" aria-label="Recorded">
      <div class="tabs" role="tablist" aria-label="Recorded" onKeyDown={onKeyDown}>
        {TABS.map(([name, label]) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            aria-selected={tab === name}
            tabIndex={tab === name ? 0 : -1}
            aria-controls="tab-panel"
            data-tab={name}
            onClick={() => data.tab.value = name}
          >
            {label}
            {counts[name] !== null && (
              <span class="tab-count">{formatShortCount(counts[name])}</span>
            )}
          </button>
        ))}
      </div>
      <TabPanel tab={tab}>
        {tab === "charts" && <ChartsPanel model={data.charts} />}
        {tab === "logs" && <LogsPanel model={data.logs} />}
        {tab === "details" && <DetailsPanel details={details} />}
      </TabPanel>
    </section>
  );
}

function TabPanel({ tab, children }: { tab: DataTab; children: ComponentChildren }) {
  return (
    <div id="tab-panel" class="tab-panel" role="tabpanel" aria-labelledby={`tab-${tab}`}>
      {children}
    </div>
  );
}
