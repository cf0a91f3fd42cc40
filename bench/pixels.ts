/** Step to pixels: from the worker's stamp on a frame to the end of its drawing calls in Chromium, by stage. */

import type { Browser } from "playwright-core";
import { TestBox } from "../tests/harness/box.ts";
import { launchBrowser, ViewerPage } from "../tests/harness/browser.ts";
import { Serve } from "../tests/harness/serve.ts";
import { sleep } from "../tests/harness/wait.ts";
import type { LatencyFigures } from "../viewer/latency.ts";
import { startDemo } from "./demo_runs.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";

const P50_MS_MAX = 3;
const P99_MS_MAX = 6;

const STAGES = [
  ["ring", "ring: published to the hub's wake-up in serve"],
  ["server", "server: woken to handed to the transport"],
  ["wire", "wire: QUIC or TCP, Chromium's network process, to the viewer worker"],
  ["draw", "upload and draw: received to drawing calls done"],
] as const;

const figuresText = ({ p50Ms, p99Ms }: LatencyFigures) =>
  `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;

async function watch(
  browser: Browser,
  serve: Serve,
  runId: string,
  transport: "webtransport" | "websocket",
  seconds: number,
): Promise<Row[]> {
  const viewer = await ViewerPage.open(browser);
  await viewer.visitRun(serve, runId, { transport });
  await viewer.untilMoving();
  await sleep(seconds * 1000);
  const { latency, renderer, roundTripMs } = (await viewer.snapshot())!;
  await viewer.close();
  const total = latency.total!;
  const isPrimary = transport === "webtransport";
  const rows: Row[] = [{
    what: `step to drawn at once, 160×160×3 at 60 Hz, ${transport}, ${renderer?.kind} renderer`,
    measured: figuresText(total),
    against: `${total.samples} frames; clock probe's round trip ${roundTripMs?.toFixed(2)} ms`,
    limit: isPrimary ? "p50 ≤ 3 ms, p99 ≤ 6 ms" : "",
    met: isPrimary ? total.p50Ms <= P50_MS_MAX && total.p99Ms <= P99_MS_MAX : null,
  }];
  for (const [name, what] of STAGES) {
    const figures = latency[name]!;
    rows.push({
      what: `– ${what}`,
      measured: figuresText(figures),
      against: `${(100 * figures.p50Ms / total.p50Ms).toFixed(0)}% of the p50`,
      limit: "",
      met: null,
    });
  }
  rows.push({
    what: "drawn to the display's next frame, after that",
    measured: latency.display === null ? "none seen" : figuresText(latency.display),
    against: "",
    limit: "",
    met: null,
  });
  return rows;
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const runId = startDemo(box, { width: 160, height: 160, framesPerSecond: 60 });
  const browser = await launchBrowser(box);
  const rows: Row[] = [];
  for (const transport of ["webtransport", "websocket"] as const) {
    progress(`160×160×3 at 60 Hz over ${transport}`);
    rows.push(...await watch(browser, serve, runId, transport, smoke ? 1 : 20));
  }
  return rows;
}

export const pixelsBench: Bench = {
  name: "pixels",
  title: "Step to pixels in Chromium",
  run: measure,
};
