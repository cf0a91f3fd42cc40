/** The agents that the server supervises, on the list of runs: one row each, under a line that sums them up. */

import type { AgentStatus } from "../proto/agents.ts";
import { AgentActions, AgentQuestion } from "./agent_actions.tsx";
import {
  countStates,
  cpuOf,
  fpsOf,
  isInTrouble,
  memoryOf,
  NONE,
  noteOf,
  placeOf,
  stateOf,
  upOf,
} from "./agent_words.ts";
import type { AgentsModel } from "./agents_model.ts";
import { formatCount, formatSentence } from "./format.ts";
import { Chip } from "./phase_chip.tsx";
import { readPreferences, savePreferences } from "./preferences.ts";

/** So many rows push no picture out of sight. */
const ROWS_OPEN_MAX = 4;
const COLUMNS = ["Agent", "State", "Up", "FPS", "CPU", "Memory", "Restarts"];

interface AgentsPanelProps {
  model: AgentsModel;
  mayAct: boolean;
  /** The page says already that the server cannot be reached. */
  isLost: boolean;
}

export function AgentsPanel({ model, mayAct, isLost }: AgentsPanelProps) {
  const agents = model.agents.value;
  const error = isLost ? null : model.error.value;
  if (agents === null || agents.length === 0) return null;
  const opens = readPreferences().agentsOpen ??
    (agents.length <= ROWS_OPEN_MAX || agents.some(isInTrouble));
  return (
    <details
      class="agents"
      open={opens}
      data-stale={isLost || error !== null}
      onToggle={({ currentTarget: { open } }) => {
        if (open !== opens) savePreferences({ agentsOpen: open });
      }}
    >
      <summary>
        <h2>Agents</h2>
        {countStates(agents).map(({ label, count, tone }) => (
          <span key={label} class="agents-count" data-tone={tone}>{count} {label}</span>
        ))}
        {error !== null && <span class="agents-count" data-tone="warn">not up to date</span>}
      </summary>
      {error !== null && (
        <p class="note agents-note" role="status" data-state="agents-error">
          {formatSentence(`the agents cannot be read: ${error}`)} What stands here is from before.
        </p>
      )}
      <div class="agents-list" role="table" aria-label="Agents">
        <div class="agents-head" role="row">
          {COLUMNS.map((name) => <span key={name} role="columnheader">{name}</span>)}
          <span role="columnheader">
            <span class="visually-hidden">Actions</span>
          </span>
        </div>
        {agents.map((agent) => (
          <AgentRow key={agent.name} model={model} agent={agent} mayAct={mayAct} />
        ))}
      </div>
    </details>
  );
}

interface AgentRowProps {
  model: AgentsModel;
  agent: AgentStatus;
  mayAct: boolean;
}

function AgentRow({ model, agent, mayAct }: AgentRowProps) {
  const { name, restarts, state, command, sourceWhy } = agent;
  const [label, tone] = stateOf(agent);
  const page = `/runs/${encodeURIComponent(name)}`;
  const note = model.refusals.value[name] ?? noteOf(agent, model.nowMs);
  return (
    <div class="agents-row" role="row" data-agent={name} data-agent-state={state}>
      <div class="agent-name" role="cell">
        <a href={page} title={command.join(" ")}>{name}</a>
        <span class="muted small" title={sourceWhy}>{placeOf(agent)}</span>
      </div>
      <div role="cell">
        <Chip tone={tone} label={label} name="agent" />
      </div>
      <Figure label="up">{upOf(agent, model.nowMs)}</Figure>
      <Figure label="fps">{fpsOf(agent)}</Figure>
      <Figure label="CPU">{cpuOf(agent)}</Figure>
      <Figure label="memory">{memoryOf(agent)}</Figure>
      <Figure label="restarts">{formatCount(restarts)}</Figure>
      <div role="cell" class="agent-last">
        <a class="agent-log" href={`${page}#logs`}>Log</a>
        {mayAct && <AgentActions model={model} agent={agent} />}
      </div>
      <AgentQuestion model={model} name={name} />
      {note !== null && <p class="agent-note" data-tone={tone}>{note}</p>}
    </div>
  );
}

/** In a narrow row, which has no head, those that say something stand behind their names. */
function Figure({ label, children }: { label: string; children: string }) {
  const isEmpty = children === NONE || children === "0";
  return <div role="cell" data-label={label} data-empty={isEmpty}>{children}</div>;
}
