/** Runs to watch: demo workers in C, so that the load is the product's and not the benchmark's. */

import { locateAssets } from "../core/assets.ts";
import type { TestBox } from "../tests/harness/box.ts";

export interface DemoRun {
  width: number;
  height: number;
  framesPerSecond: number;
}

/** Starts a demo worker in a process of its own; it ends with the box. Resolves to the run's id. */
export function startDemo(box: TestBox, { width, height, framesPerSecond }: DemoRun): string {
  const runId = box.runId("bench");
  const child = new Deno.Command(locateAssets().demoPath, {
    args: [
      `--run-id=${runId}`,
      `--width=${width}`,
      `--height=${height}`,
      `--fps=${framesPerSecond}`,
    ],
    env: box.environment,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  box.onEnd(async () => {
    child.kill("SIGTERM");
    await child.status;
  });
  return runId;
}
