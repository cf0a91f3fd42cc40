/** Step to drawn by the video lane, beside the sum of its stages measured alone, and in time with the display. */

import type { Browser } from "playwright-core";
import { TestBox } from "../tests/harness/box.ts";
import { launchBrowser, type Snapshot, ViewerPage } from "../tests/harness/browser.ts";
import { Serve } from "../tests/harness/serve.ts";
import { sleep } from "../tests/harness/wait.ts";
import type { LatencyFigures } from "../viewer/latency.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";
import { decodeAlone } from "./video_decode.ts";
import {
  bareEncode,
  type BareFigures,
  parseUnits,
  startCards,
  type StartedCards,
} from "./video_runs.ts";

const ENCODER = "x264";
const SIZES = [
  { width: 160, height: 160 },
  { width: 854, height: 480 },
  { width: 1280, height: 720 },
];
const DISPLAY_SIZES = SIZES.slice(1);
const DECODED_RATIO_MAX = 2;
const P50_RATIO_MAX = 1.10;
const P99_RATIO_MAX = 1.5;
const DISPLAYED_P99_MS_MAX = 16;
/** A worker that is quicker than the display, so that which frame is sampled matters, and not in step with it. */
const FAST_HZ = 250;

type Figures = Pick<LatencyFigures, "p50Ms" | "p99Ms">;

const text = ({ p50Ms, p99Ms }: Figures) => `p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms`;

function sum(parts: Figures[]): Figures {
  const add = (key: keyof Figures) => parts.reduce((total, part) => total + part[key], 0);
  return { p50Ms: add("p50Ms"), p99Ms: add("p99Ms") };
}

/** Watches a run in a page of its own, for as long as the page's window of figures or `seconds`. */
async function watch(
  browser: Browser,
  serve: Serve,
  runId: string,
  query: Record<string, string>,
  seconds: number,
): Promise<Snapshot> {
  const viewer = await ViewerPage.open(browser);
  await viewer.visitRun(serve, runId, query);
  await viewer.untilMoving();
  await sleep(seconds * 1000);
  const snapshot = (await viewer.snapshot())!;
  await viewer.close();
  return snapshot;
}

/** What each stage takes while no other one runs. */
interface Alone {
  bare: BareFigures;
  server: Figures;
  wire: Figures;
  decode: Figures;
  draw: Figures;
}

async function measureAlone(
  box: TestBox,
  browser: Browser,
  serve: Serve,
  cards: StartedCards,
  options: BenchOptions,
): Promise<Alone> {
  const unitsPath = `${box.folder}/units`;
  const framesCount = options.smoke ? 20 : 600;
  const bare = await bareEncode(box, cards, ENCODER, framesCount, unitsPath);
  const { width, height, framesPerSecond } = cards;
  await using passed = await startCards(box, { width, height, framesPerSecond, unitsPath });
  const query = { lane: "h264", "phase-lock": "off" };
  const snapshot = await watch(browser, serve, passed.runId, query, options.smoke ? 1 : 15);
  const viewer = await ViewerPage.open(browser);
  await viewer.visitRuns(serve);
  const units = parseUnits(await Deno.readFile(unitsPath));
  const { codec } = snapshot.decoding!;
  const decode = await decodeAlone(viewer.page, codec, units, framesPerSecond);
  await viewer.close();
  const { server, wire, draw } = snapshot.latency;
  return { bare, server: server!, wire: wire!, decode, draw: draw! };
}

async function measureDrawn(
  box: TestBox,
  browser: Browser,
  size: { width: number; height: number },
  options: BenchOptions,
): Promise<Row[]> {
  const serve = await Serve.start(box, { args: [`--encoder=${ENCODER}`, "--log-level=error"] });
  await using cards = await startCards(box, { ...size, framesPerSecond: 60 });
  const { bare, server, wire, decode, draw } = await measureAlone(
    box,
    browser,
    serve,
    cards,
    options,
  );
  const query = { lane: "h264", "phase-lock": "off" };
  const { latency, roundTripMs } = await watch(
    browser,
    serve,
    cards.runId,
    query,
    options.smoke ? 1 : 15,
  );
  await serve.stop();
  const what = `${size.width}×${size.height} at 60 Hz, ${bare.encoder}`;
  const total = latency.total!;
  const alone = sum([bare.wake, bare.convert, bare.encode, server, wire, decode, draw]);
  const [p50Ratio, p99Ratio] = [total.p50Ms / alone.p50Ms, total.p99Ms / alone.p99Ms];
  const decoded = sum([latency.wire!, latency.decode!]);
  const decodedRatio = decoded.p50Ms / decode.p50Ms;
  const stages: [string, Figures, Figures][] = [
    [
      "worker's stamp to the stream's thread (its copy into the ring is in it)",
      latency.ring!,
      bare.wake,
    ],
    ["libyuv and encoder", latency.encode!, bare.sum],
    ["packet to the transport", latency.server!, server],
    ["transport to the viewer worker", latency.wire!, wire],
    ["decoder", latency.decode!, decode],
    ["drawing calls", latency.draw!, draw],
  ];
  return [
    {
      what: `step to drawn at once, ${what}`,
      measured: text(total),
      against: `sum of the stages alone ${text(alone)}: ${p50Ratio.toFixed(2)}×, ${
        p99Ratio.toFixed(2)
      }×`,
      limit: `p50 ≤ ${P50_RATIO_MAX.toFixed(2)}×, p99 ≤ ${P99_RATIO_MAX.toFixed(2)}×`,
      met: p50Ratio <= P50_RATIO_MAX && p99Ratio <= P99_RATIO_MAX,
    },
    ...stages.map(([stage, inPath, alone]): Row => ({
      what: `– ${stage}`,
      measured: text(inPath),
      against: `alone ${text(alone)}`,
      limit: "",
      met: null,
    })),
    {
      what: `sent to decoded in Chromium, ${what}`,
      measured: text(decoded),
      against: `the decoder alone ${text(decode)}: ${
        decodedRatio.toFixed(2)
      }×; a probe's round trip ${roundTripMs!.toFixed(2)} ms`,
      limit: `p50 ≤ ${DECODED_RATIO_MAX}×`,
      met: decodedRatio <= DECODED_RATIO_MAX,
    },
  ];
}

/** Step to the display's frame, with and without sampling in time with it. */
async function measureDisplayed(
  box: TestBox,
  browser: Browser,
  size: { width: number; height: number },
  { smoke }: BenchOptions,
): Promise<Row[]> {
  const serve = await Serve.start(box, { args: [`--encoder=${ENCODER}`, "--log-level=error"] });
  await using cards = await startCards(box, { ...size, framesPerSecond: FAST_HZ });
  const seconds = smoke ? 1 : 20;
  const lane = { lane: "h264" };
  const locked = await watch(browser, serve, cards.runId, lane, seconds);
  const naive = await watch(
    browser,
    serve,
    cards.runId,
    { ...lane, "phase-lock": "off", fps: "60" },
    seconds,
  );
  await serve.stop();
  const [withLock, without] = [locked.latency.displayed!, naive.latency.displayed!];
  const what = `${size.width}×${size.height}, a worker at ${FAST_HZ} Hz`;
  const stages = ["ring", "encode", "server", "wire", "decode", "draw", "display"] as const;
  return [
    {
      what: `step to the display's frame, phase-locked, ${what}`,
      measured: text(withLock),
      against: `naive sampling at 60 Hz ${text(without)}`,
      limit: `p99 < ${DISPLAYED_P99_MS_MAX} ms`,
      met: withLock.p99Ms < DISPLAYED_P99_MS_MAX,
    },
    ...stages.map((stage): Row => ({
      what: `– ${stage}`,
      measured: text(locked.latency[stage]!),
      against: `naive ${text(naive.latency[stage]!)}`,
      limit: "",
      met: null,
    })),
  ];
}

async function measure(options: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const browser = await launchBrowser(box);
  const rows: Row[] = [];
  for (const size of SIZES) {
    options.progress(`${size.width}×${size.height}: stages alone, then together`);
    rows.push(...await measureDrawn(box, browser, size, options));
  }
  for (const size of DISPLAY_SIZES) {
    options.progress(`${size.width}×${size.height}: in time with the display`);
    rows.push(...await measureDisplayed(box, browser, size, options));
  }
  return rows;
}

export const videoPixelsBench: Bench = {
  name: "video-pixels",
  title: "Step to pixels by the video lane",
  run: measure,
};
