/** What a person can do with an agent: start it, stop it, start it anew. */

import type { AgentStatus } from "../proto/agents.ts";
import type { AgentAction } from "./agents_api.ts";
import type { AgentsModel } from "./agents_model.ts";
import { PlayIcon, RestartIcon, StopIcon } from "./icons.tsx";

const QUESTIONS: Readonly<Record<AgentAction, string>> = {
  start: "Start it?",
  stop: "End its process?",
  restart: "Replace its process?",
};
const YES: Readonly<Record<AgentAction, string>> = {
  start: "Start",
  stop: "Stop",
  restart: "Restart",
};

export function AgentActions({ model, agent }: { model: AgentsModel; agent: AgentStatus }) {
  const { name, pid, state } = agent;
  const busy = model.busy.value.has(name) || model.question.value?.name === name;
  const isUp = pid !== null || state === "starting" || state === "restarting";
  const button = (action: AgentAction, label: string, icon: preact.JSX.Element, off = false) => (
    <button
      type="button"
      class="button agent-button"
      data-action={`${action}-agent`}
      aria-label={`${label} ${name}`}
      title={`${label} ${name}`}
      disabled={busy || off}
      onClick={() => model.ask(agent, action)}
    >
      {icon}
    </button>
  );
  return (
    <span class="agent-actions">
      {isUp
        ? button("stop", "Stop", <StopIcon />, state === "stopping")
        : button("start", "Start", <PlayIcon />)}
      {isUp && button("restart", "Restart", <RestartIcon />)}
    </span>
  );
}

/** Under the buttons, and focused, so that Enter and Escape are enough. */
export function AgentQuestion({ model, name }: { model: AgentsModel; name: string }) {
  const question = model.question.value;
  if (question?.name !== name) return null;
  const { action } = question;
  const cancel = () => model.question.value = null;
  return (
    <div
      class="agent-question"
      role="alertdialog"
      aria-label={`${name}: ${QUESTIONS[action]}`}
      onKeyDown={(event) => event.key === "Escape" && cancel()}
    >
      <span>{QUESTIONS[action]}</span>
      <button
        type="button"
        class="button danger"
        data-action="confirm-agent"
        ref={focusNew}
        onClick={() => model.act(question)}
      >
        {YES[action]}
      </button>
      <button type="button" class="button" data-action="cancel-agent" onClick={cancel}>
        Cancel
      </button>
    </div>
  );
}

/** Of a constant, so that it is called once for each button and not with each reading of the agents. */
function focusNew(button: HTMLButtonElement | null): void {
  button?.focus();
}
