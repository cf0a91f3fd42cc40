/** The agent that makes this run, where it is one. */

import { AgentActions, AgentQuestion } from "./agent_actions.tsx";
import { cpuOf, memoryOf, noteOf, placeOf, stateOf, upOf } from "./agent_words.ts";
import type { AgentsModel } from "./agents_model.ts";
import { formatCount, formatSentence } from "./format.ts";
import { Panel, Row } from "./panel.tsx";
import { Chip } from "./phase_chip.tsx";

export function AgentPanel(
  { model, run, mayAct }: { model: AgentsModel; run: string; mayAct: boolean },
) {
  const agent = model.agent(run);
  if (agent === null) return null;
  const error = model.error.value;
  const [label, tone] = stateOf(agent);
  const refusal = model.refusals.value[run];
  const note = noteOf(agent, model.nowMs);
  return (
    <Panel title="Agent">
      {error !== null && (
        <p class="note" role="status" data-state="agents-error">
          {formatSentence(error)} What stands here is from before.
        </p>
      )}
      {refusal !== undefined && <p class="note" role="alert">{formatSentence(refusal)}</p>}
      <div class="agent-state" data-agent={run} data-agent-state={agent.state}>
        <Chip tone={tone} label={label} name="agent" />
        {mayAct && <AgentActions model={model} agent={agent} />}
      </div>
      <AgentQuestion model={model} name={run} />
      {note !== null && <p class="agent-note" data-tone={tone}>{note}</p>}
      <dl class="rows">
        <Row label="Up" name="agent-up">{upOf(agent, model.nowMs)}</Row>
        <Row label="Restarts" name="agent-restarts">{formatCount(agent.restarts)}</Row>
        <Row label="CPU" name="agent-cpu" title="Of one core">{cpuOf(agent)}</Row>
        <Row label="Memory" name="agent-memory">{memoryOf(agent)}</Row>
        <Row label="Source" name="agent-place" title={agent.sourceWhy}>{placeOf(agent)}</Row>
      </dl>
    </Panel>
  );
}
