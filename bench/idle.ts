/** What `serve` costs while ten runs publish and nobody watches. */

import { TestBox } from "../tests/harness/box.ts";
import { Serve } from "../tests/harness/serve.ts";
import { sleep, waitFor } from "../tests/harness/wait.ts";
import { startDemo } from "./demo_runs.ts";
import { processUsage } from "../tests/harness/process_usage.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";

const RUNS_COUNT = 10;
const CPU_SHARE_MAX = 0.03;
/** Growth that is no growth: the allocator's and the collector's breathing. */
const GROWTH_BYTES_MAX = 4 * 2 ** 20;

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  for (let index = 0; index < RUNS_COUNT; index++) {
    startDemo(box, { width: 84, height: 84, framesPerSecond: 30 });
  }
  await waitFor("ten live runs", async () => {
    const { runs } = await (await serve.fetch("/api/runs")).json();
    return runs.filter((run: { phase: string }) => run.phase === "live").length >= RUNS_COUNT;
  });
  const seconds = smoke ? 2 : 60;
  progress(`${RUNS_COUNT} runs, no viewer: settling, then ${seconds} s`);
  await sleep(smoke ? 500 : 20_000);
  const before = await processUsage(serve.pid);
  await sleep(seconds * 1000);
  const after = await processUsage(serve.pid);
  const share = (after.cpuSeconds - before.cpuSeconds) / seconds;
  const grownBytes = after.residentBytes - before.residentBytes;
  return [
    {
      what: `serve, ${RUNS_COUNT} runs of 30 Hz, no viewer, ${seconds} s: CPU`,
      measured: `${(share * 100).toFixed(2)}% of one core`,
      against: "",
      limit: "under 3% of one core",
      met: share < CPU_SHARE_MAX,
    },
    {
      what: "the same: resident memory",
      measured: `${grownBytes >= 0 ? "+" : "−"}${Math.abs(grownBytes / 2 ** 20).toFixed(1)} MiB`,
      against: `${(before.residentBytes / 2 ** 20).toFixed(0)} MiB at the start`,
      limit: "no growth (4 MiB of breathing)",
      met: grownBytes < GROWTH_BYTES_MAX,
    },
  ];
}

export const idleBench: Bench = {
  name: "idle",
  title: "Ten runs and nobody watches",
  run: measure,
};
