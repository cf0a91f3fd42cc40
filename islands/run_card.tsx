/** One run of the list. The whole card is a link to its page. */

import type { RunSummary } from "../proto/wire.ts";
import { formatName } from "../viewer/pixels.ts";
import { formatAge, formatCount, formatNumber, formatRate } from "./format.ts";
import { PhaseChip } from "./phase_chip.tsx";
import { Thumbnail } from "./thumbnail.tsx";

function Figure({ name, label, value }: { name: string; label: string; value: string }) {
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd data-hud={name}>{value}</dd>
    </div>
  );
}

/** "160 × 120 RGB8 · 60 fps · 2 viewers · 3 min" */
function describe(run: RunSummary): string {
  const endedAtMs = run.endedAtMs ?? Date.now();
  const parts = [];
  const step = run.hud?.step ?? run.frames;
  if (run.phase === "ended" && step > 0) parts.push(`step ${formatCount(step)}`);
  if (run.width !== undefined && run.height !== undefined) {
    parts.push(`${run.width} × ${run.height} ${formatName(run.format ?? 0)}`);
  }
  if (run.phase === "live") parts.push(`${formatRate(run.framesPerSecond)} fps`);
  if (run.viewers > 0) parts.push(run.viewers === 1 ? "1 viewer" : `${run.viewers} viewers`);
  parts.push(formatAge(endedAtMs - run.startedAtMs));
  return parts.join(" · ");
}

export function RunCard({ run }: { run: RunSummary }) {
  const { hud } = run;
  const hasEnded = run.phase === "ended";
  return (
    <li class="run-card" data-run={run.id} data-phase={run.phase}>
      <a href={`/runs/${encodeURIComponent(run.id)}`} class="run-link">
        {!hasEnded && (
          <Thumbnail
            runId={run.id}
            present={run.phase !== "error"}
            moving={run.phase === "live"}
          />
        )}
        <div class="run-head">
          <h2 title={run.id}>{run.id}</h2>
          <PhaseChip phase={run.phase} />
        </div>
        {run.reason !== undefined && <p class="run-reason">{run.reason}</p>}
        {!hasEnded && (
          <dl class="figures">
            <Figure name="episode" label="Episode" value={formatCount(hud?.episode)} />
            <Figure name="step" label="Step" value={formatCount(hud?.step ?? run.frames)} />
            <Figure name="return" label="Return" value={formatNumber(hud?.episodeReturn)} />
            <Figure name="rate" label="Steps/s" value={formatRate(hud?.stepRateHz)} />
          </dl>
        )}
        <p class="run-foot">{describe(run)}</p>
      </a>
    </li>
  );
}
