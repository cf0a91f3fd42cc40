/** Step to pixels: how old the picture is when it is drawn, and where the time went. */

import { LATENCY_STAGES, type LatencySummary } from "../viewer/latency.ts";
import { formatCount, formatMs } from "./format.ts";
import { Panel, Row } from "./panel.tsx";
import type { RunModel } from "./run_model.ts";

const STAGE_NAMES = {
  ring: ["Ring", "The worker stamped the frame → the server saw it"],
  encode: ["Encode", "The server saw it → it was encoded"],
  server: ["Server", "Seen or encoded → it was handed to the network"],
  wire: ["Wire", "Handed to the network → all of it was here"],
  decode: ["Decode", "All of it was here → it was a picture"],
  draw: ["Draw", "It was a picture → the drawing calls were done, with any wait for its time"],
} as const;

export function LatencyPanel({ model }: { model: RunModel }) {
  const status = model.client.status.value;
  const latency = status?.latency ?? null;
  const total = latency?.total ?? null;
  return (
    <Panel title="Step to pixels">
      <dl class="latency-total">
        <div class="latency-now">
          <dt>now</dt>
          <dd>
            <span data-hud="latency-now">{formatMs(total?.nowMs)}</span> ms
          </dd>
        </div>
        <div>
          <dt>p50</dt>
          <dd data-hud="latency-p50">{formatMs(total?.p50Ms)}</dd>
        </div>
        <div>
          <dt>p99</dt>
          <dd data-hud="latency-p99">{formatMs(total?.p99Ms)}</dd>
        </div>
      </dl>
      <details
        class="latency-stages"
        open={model.latencyOpen.value}
        onToggle={(event) => model.latencyOpen.value = event.currentTarget.open}
      >
        <summary>By stage</summary>
        <StageTable latency={latency} />
        <p class="muted small">
          Last 10 s, in ms; clocks agree to ±{formatMs(halved(status?.roundTripMs ?? null))}
        </p>
      </details>
      <dl class="rows">
        <Row label="Shown" name="fps">{(status?.framesPerSecond ?? 0).toFixed(0)} fps</Row>
        <Row label="Frames shown" name="frames-shown">
          {formatCount(status?.counters.shown ?? 0)}
        </Row>
        <Row
          label="Frames skipped"
          name="frames-skipped"
          title="To stay live, by the FPS cap, or by every n-th"
        >
          {formatCount(status?.counters.skipped ?? 0)}
        </Row>
      </dl>
    </Panel>
  );
}

function halved(value: number | null): number | null {
  return value === null ? null : value / 2;
}

function StageTable({ latency }: { latency: LatencySummary | null }) {
  // Raw frames are neither encoded nor decoded.
  const stages = LATENCY_STAGES.filter((stage) =>
    (stage !== "encode" && stage !== "decode") || latency?.[stage]
  );
  const medians = stages.map((stage) => Math.max(0, latency?.[stage]?.p50Ms ?? 0));
  const sumMs = medians.reduce((sum, median) => sum + median, 0) || 1;
  return (
    <table class="stage-table">
      <thead>
        <tr>
          <th scope="col">Stage</th>
          <th scope="col">
            <span class="visually-hidden">Share</span>
          </th>
          <th scope="col">p50</th>
          <th scope="col">p99</th>
        </tr>
      </thead>
      <tbody>
        {stages.map((stage, index) => (
          <tr key={stage} title={STAGE_NAMES[stage][1]}>
            <th scope="row">{STAGE_NAMES[stage][0]}</th>
            <td class="stage-bar">
              <meter min={0} max={1} value={medians[index]! / sumMs} />
            </td>
            <td data-hud={`latency-${stage}-p50`}>{formatMs(latency?.[stage]?.p50Ms)}</td>
            <td data-hud={`latency-${stage}-p99`}>{formatMs(latency?.[stage]?.p99Ms)}</td>
          </tr>
        ))}
        <tr class="stage-display" title="Drawn → the display's next frame begins; not in the total">
          <th scope="row">Display</th>
          <td />
          <td data-hud="latency-display-p50">{formatMs(latency?.display?.p50Ms)}</td>
          <td data-hud="latency-display-p99">{formatMs(latency?.display?.p99Ms)}</td>
        </tr>
        <tr title="The worker stamped the frame → the display's next frame begins">
          <th scope="row">Displayed</th>
          <td />
          <td data-hud="latency-displayed-p50">{formatMs(latency?.displayed?.p50Ms)}</td>
          <td data-hud="latency-displayed-p99">{formatMs(latency?.displayed?.p99Ms)}</td>
        </tr>
      </tbody>
    </table>
  );
}
