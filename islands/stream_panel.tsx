/** What is shown and by what: size, format, transport, renderer. */

import { formatName } from "../viewer/pixels.ts";
import { formatCount } from "./format.ts";
import { Panel, Row } from "./panel.tsx";
import type { RunModel } from "./run_model.ts";

const TRANSPORT_NAMES = { webtransport: "WebTransport", websocket: "WebSocket" };
const RENDERER_NAMES = { webgl: "WebGL", "2d": "2D canvas" };
const RENDERER_REASONS = {
  forced: "forced by the address",
  hardware: "on the GPU",
  software: "WebGL is software here",
  "no WebGL": "this browser has no WebGL 2",
};

export function StreamPanel({ model }: { model: RunModel }) {
  const status = model.client.status.value;
  const picture = status?.picture ?? null;
  const renderer = status?.renderer ?? null;
  const transport = status?.connection.transport ?? null;
  const runSummary = model.client.runs.value?.find((run) => run.id === model.run);
  return (
    <Panel title="Stream">
      <dl class="rows">
        <Row label="Size" name="size">
          {picture === null ? "–" : `${picture.width} × ${picture.height}`}
        </Row>
        <Row label="Format" name="format">
          {picture === null ? "–" : formatName(picture.format)}
        </Row>
        <Row label="Frame" name="frame">{formatCount(picture?.frame)}</Row>
        <Row label="Transport" name="transport">
          {transport === null ? "–" : TRANSPORT_NAMES[transport]}
        </Row>
        <Row
          label="Renderer"
          name="renderer"
          detail={renderer && RENDERER_REASONS[renderer.reason]}
          title={renderer?.device}
        >
          {renderer === null ? "–" : RENDERER_NAMES[renderer.kind]}
        </Row>
        <Row label="Viewers" name="viewers">{formatCount(runSummary?.viewers)}</Row>
        <Row label="Access" name="access">
          {status?.connection.access === "view" ? "Watch only" : "Control"}
        </Row>
      </dl>
    </Panel>
  );
}
