/** The run's log: newest lines at the end, kept in sight unless a person scrolls back. */

import { useEffect, useRef } from "preact/hooks";
import { formatClock, formatCount } from "./format.ts";
import type { LogLine, LogsModel } from "./logs_model.ts";
import { Choice, SearchField } from "./panel.tsx";

const LEVELS = ["", "debug", "info", "warning", "error"];
const LEAST_LEVELS = [[1, "All"], [2, "Info"], [3, "Warnings"], [4, "Errors"]] as const;
/** So near to the end counts as being there. */
const END_PX = 24;

export function LogsPanel({ model }: { model: LogsModel }) {
  return (
    <div class="logs">
      <div class="logs-toolbar">
        <SearchField
          label="Search the lines"
          value={model.search.value}
          onInput={(text) => model.search.value = text}
        />
        <Choice
          label="Level"
          name="log-level"
          value={model.levelMin.value}
          choices={LEAST_LEVELS}
          onChange={(level) => model.levelMin.value = level}
        />
      </div>
      {model.error.value !== null && (
        <p class="note" role="status">Cannot read the log: {model.error.value}</p>
      )}
      <LogLines model={model} />
    </div>
  );
}

function LogLines({ model }: { model: LogsModel }) {
  const list = useRef<HTMLOListElement>(null);
  const atEnd = useRef(true);
  const shown = model.shown.value;
  useEffect(() => {
    if (atEnd.current && list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [shown]);
  if (model.lines.value === null) return <p class="muted" role="status">Loading…</p>;
  if (shown.length === 0) {
    return (
      <p class="muted" data-state="no-logs">
        {model.lines.value.length === 0
          ? "No lines have been logged yet."
          : `None of the ${formatCount(model.lines.value.length)} lines read matches.`}
      </p>
    );
  }
  return (
    <ol
      ref={list}
      class="log-lines"
      tabIndex={0}
      aria-label="Log"
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        atEnd.current = scrollHeight - scrollTop - clientHeight < END_PX;
      }}
    >
      {model.hasOlder.value && (
        <li class="log-older">
          <button type="button" class="button" onClick={() => model.readOlder()}>
            Show older lines
          </button>
        </li>
      )}
      {shown.map((line, index) => <Line key={index} line={line} />)}
    </ol>
  );
}

function Line({ line: { atMs, level, source, text, step } }: { line: LogLine }) {
  return (
    <li class="log-line" data-level={LEVELS[level]}>
      <time title={new Date(atMs).toISOString()}>{formatClock(atMs)}</time>
      <span class="log-level">{LEVELS[level] ?? level}</span>
      <span class="log-text">
        {source !== "" && <span class="log-source">{source}</span>}
        {text}
        {step !== null && <span class="log-step">step {formatCount(step)}</span>}
      </span>
    </li>
  );
}
