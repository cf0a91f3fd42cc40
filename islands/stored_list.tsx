/** Stored runs, one row each. The whole row leads to the run's page. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { StoredRun } from "../proto/wire.ts";
import { formatDate, formatDuration, formatNumber, formatShortCount } from "./format.ts";
import type { LastValues } from "./last_values.ts";
import { Chip } from "./phase_chip.tsx";
import { runDurationMs, STORED_STATES } from "./run_tone.ts";

interface StoredListProps {
  runs: StoredRun[];
  lastValues: LastValues;
  onTag(tag: string): void;
}

export function StoredList({ runs, lastValues, onTag }: StoredListProps) {
  return (
    <div class="stored-list" role="table" aria-label="Stored runs">
      <div class="stored-head" role="row">
        {["Run", "State", "Started", "Duration", "Rows", "Last values"].map((name) => (
          <span key={name} role="columnheader">{name}</span>
        ))}
      </div>
      {runs.map((run) => (
        <StoredRow
          key={run.id}
          run={run}
          lastValues={lastValues}
          onTag={onTag}
        />
      ))}
    </div>
  );
}

type StoredRowProps = Omit<StoredListProps, "runs"> & { run: StoredRun };

function StoredRow({ run, lastValues, onTag }: StoredRowProps) {
  const [label, tone] = STORED_STATES[run.state];
  const rows = Object.values(run.rows).reduce((sum, count) => sum + count, 0);
  return (
    <div class="stored-row" role="row" data-run={run.id} data-stored={run.state}>
      <div class="stored-name" role="cell">
        <a href={`/runs/${encodeURIComponent(run.id)}`} title={run.note || run.id}>{run.id}</a>
        {run.tags.map((tag) => (
          <button
            key={tag}
            type="button"
            class="tag"
            onClick={() => onTag(tag)}
          >
            {tag}
          </button>
        ))}
        {run.reason !== "" && <p class="stored-reason">{run.reason}</p>}
      </div>
      <div role="cell">
        <Chip tone={tone} label={label} />
      </div>
      <div role="cell" data-label="Started">{formatDate(run.startedAtMs)}</div>
      <div role="cell" data-label="Duration">{formatDuration(runDurationMs(run, Date.now()))}</div>
      <div role="cell" data-label="Rows" title={describeRows(run)}>{formatShortCount(rows)}</div>
      <Values run={run} lastValues={lastValues} />
    </div>
  );
}

/** "1.2 k steps, 34 episodes" */
function describeRows({ rows }: StoredRun): string {
  return Object.entries(rows).filter(([, count]) => count > 0)
    .map(([kind, count]) => `${formatShortCount(count)} ${kind}`).join(", ");
}

/** Read when the row is seen. */
function Values({ run, lastValues }: { run: StoredRun; lastValues: LastValues }) {
  const cell = useRef<HTMLDivElement>(null);
  const seen = useSignal(false);
  const { samples } = run.rows;
  useEffect(() => {
    // A busy page is told of several moments at once: out of sight at first, then seen.
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      seen.value = true;
      observer.disconnect();
    });
    observer.observe(cell.current!);
    return () => observer.disconnect();
  }, []);
  const values = seen.value && samples > 0 ? lastValues.of(run.id, samples).value : [];
  return (
    <div ref={cell} class="stored-values" role="cell">
      {values.map(([name, value]) => (
        <span key={name} title={name}>
          <span class="muted">{name.slice(name.lastIndexOf("/") + 1)}</span> {formatNumber(value)}
        </span>
      ))}
    </div>
  );
}
