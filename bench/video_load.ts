/** Many runs, and viewers that do not read: what one costs the others. */

import { TestBox } from "../tests/harness/box.ts";
import { launchBrowser, ViewerPage } from "../tests/harness/browser.ts";
import { LiveClient } from "../tests/harness/live_client.ts";
import { Serve } from "../tests/harness/serve.ts";
import { startViewer } from "../tests/harness/viewer_process.ts";
import { sleep, waitFor } from "../tests/harness/wait.ts";
import { Library } from "../ffi/library.ts";
import { locateAssets } from "../core/assets.ts";
import type { Subscribe } from "../proto/wire.ts";
import { processUsage } from "../tests/harness/process_usage.ts";
import { type Bench, type BenchOptions, percentiles, type Row } from "./report.ts";
import { startCards, type StartedCards } from "./video_runs.ts";

const SIZE = { width: 640, height: 360, framesPerSecond: 30 };
const H264: Partial<Subscribe> = { lane: "h264", accepts: ["h264"] };
const P99_GROWTH_MAX = 1.10;
const MEMORY_BYTES_MAX = 64 * 2 ** 20;
const RUNS_COUNT = 10;
/** A stream is kept for 1 to 2 s after its last viewer, so that a page that is loaded again finds it. */
const LINGER_MS = 3_000;

const ms = (value: number) => `${value.toFixed(2)} ms`;
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Worker's stamp to received, ms, from now on. */
function watchLatency(client: LiveClient, library: Library): { samplesMs: number[] } {
  const watch = { samplesMs: [] as number[] };
  const onMessage = client.onMessage.bind(client);
  client.onMessage = (message) => {
    onMessage(message);
    const frame = client.frames.pop();
    if (frame === undefined) return;
    watch.samplesMs.push(Number(library.clockMonoNs() - frame.header.tMonoNs) / 1e6);
  };
  return watch;
}

async function viewersOf(serve: Serve, runId: string): Promise<number> {
  const { runs } = await (await serve.fetch("/api/runs")).json();
  return runs.find((run: { id: string }) => run.id === runId)?.viewers ?? 0;
}

/** Three viewers, of whom one stops reading. */
async function measureStall({ smoke, progress }: BenchOptions): Promise<Row[]> {
  // Before the box, whose clients ask it for the time until they are closed.
  using library = Library.open(locateAssets().libraryPath);
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--log-level=error"] });
  const { runId } = await startCards(box, SIZE);
  const page = await ViewerPage.open(await launchBrowser(box));
  await page.visitRun(serve, runId, { lane: "h264" });
  const client = await LiveClient.open(box, serve);
  const watch = watchLatency(client, library);
  client.subscribe(1, runId, H264);
  const child = startViewer(serve, "websocket", runId, H264);
  box.onEnd(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
  await waitFor("three viewers", async () => await viewersOf(serve, runId) === 3);
  await page.untilMoving();
  const seconds = smoke ? 2 : 60;

  /** p99 of both that read, and the server's memory at the end. */
  const observe = async () => {
    await sleep(smoke ? 500 : 10_000);
    watch.samplesMs.length = 0;
    await sleep(seconds * 1000);
    const { latency } = (await page.snapshot())!;
    const { residentBytes } = await processUsage(serve.pid);
    return {
      clientMs: percentiles(watch.samplesMs).p99,
      pageMs: latency.total!.p99Ms,
      residentBytes,
    };
  };
  progress(`three viewers that read: ${seconds} s`);
  const before = await observe();
  progress(`one of them stopped: ${seconds} s`);
  child.kill("SIGSTOP");
  const after = await observe();
  const grownBytes = after.residentBytes - before.residentBytes;
  const p99Row = (who: string, key: "clientMs" | "pageMs"): Row => ({
    what: `640×360 at 30 Hz, one of three viewers stalled for ${seconds} s: p99 of ${who}`,
    measured: ms(after[key]),
    against: `${ms(before[key])} before: ${(after[key] / before[key]).toFixed(2)}×`,
    limit: `≤ ${P99_GROWTH_MAX.toFixed(2)}×`,
    met: after[key] <= before[key] * P99_GROWTH_MAX,
  });
  return [
    p99Row("a native client, step to received", "clientMs"),
    p99Row("Chromium, step to drawn", "pageMs"),
    {
      what: "the same: the server's memory",
      measured: `${grownBytes < 0 ? "−" : "+"}${mib(Math.abs(grownBytes))}`,
      against: mib(before.residentBytes),
      limit: `≤ +${mib(MEMORY_BYTES_MAX)}`,
      met: grownBytes <= MEMORY_BYTES_MAX,
    },
  ];
}

/** Sum over all runs of a counter of `/metrics`. */
async function metricSum(serve: Serve, name: string): Promise<number> {
  const text = await (await serve.fetch("/metrics")).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
  if (lines.length === 0) throw new Error(`/metrics has no ${name}`);
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

async function threadNames(pid: number): Promise<string[]> {
  const names = [];
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    names.push((await Deno.readTextFile(`/proc/${pid}/task/${name}/comm`)).trim());
  }
  return names;
}

/** Ten runs with one viewer on all, then with none. */
async function measureMany({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--log-level=error"] });
  const runs: StartedCards[] = [];
  for (let index = 0; index < RUNS_COUNT; index++) runs.push(await startCards(box, SIZE));
  const client = await LiveClient.open(box, serve);
  runs.forEach(({ runId }, index) => client.subscribe(index + 1, runId, H264));
  await client.framesCount(RUNS_COUNT * 10);
  const seconds = smoke ? 2 : 30;
  progress(`ten runs, one viewer on all: ${seconds} s`);
  const stages = ["convert", "encode"];
  const read = async () => ({
    cpu: (await processUsage(serve.pid)).cpuSeconds,
    stages: await Promise.all(
      stages.map((stage) => metricSum(serve, `telebridge_stream_${stage}_seconds_total`)),
    ),
    frames: client.frames.length,
  });
  const before = await read();
  await sleep(seconds * 1000);
  const after = await read();
  client.close();
  await waitFor("no viewer", async () => await viewersOf(serve, runs[0]!.runId) === 0);
  await sleep(LINGER_MS);
  const streams = (await threadNames(serve.pid)).filter((name) => name.startsWith("tele-stream"));

  const perRun = (cpuSeconds: number) =>
    `${(100 * cpuSeconds / seconds / RUNS_COUNT).toFixed(2)}% of a core`;
  const total = after.cpu - before.cpu;
  const rateHz = (after.frames - before.frames) / seconds / RUNS_COUNT;
  const staged = stages.map((_, index) => after.stages[index]! - before.stages[index]!);
  const rest = total - staged.reduce((sum, part) => sum + part, 0);
  const stageRow = (what: string, cpuSeconds: number): Row => ({
    what: `– ${what}, a run`,
    measured: perRun(cpuSeconds),
    against: `${(100 * cpuSeconds / total).toFixed(0)}% of all`,
    limit: "",
    met: null,
  });
  return [
    {
      what: `ten runs of 640×360 at 30 Hz, one viewer on all: the server's CPU, a run`,
      measured: perRun(total),
      against: `${rateHz.toFixed(1)} frames/s of each arrive`,
      limit: "",
      met: null,
    },
    ...stages.map((stage, index) => stageRow(stage, staged[index]!)),
    stageRow("everything else: waiting, JavaScript, the transport", rest),
    {
      what: "3 s after the viewer has gone: stream threads left",
      measured: String(streams.length),
      against: "",
      limit: "none",
      met: streams.length === 0,
    },
  ];
}

export const videoLoadBench: Bench = {
  name: "video-load",
  title: "Stalled viewers and many runs",
  run: async (options) => [...await measureStall(options), ...await measureMany(options)],
};
