/** Two Python clients at once, each as fast as its interpreter: what they log is stored, and nobody waits for the server. */

import { ingestPid } from "../tests/torture/kills.ts";
import { ROOT, TestBox } from "../tests/harness/box.ts";
import { processUsage } from "../tests/harness/process_usage.ts";
import { installedPython } from "../tests/harness/python.ts";
import { Serve } from "../tests/harness/serve.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";

const CLIENTS = 2;

interface Figures {
  rows: number;
  loggingSeconds: number;
  flushSeconds: number;
  rowsDropped: number;
}

async function logFrom(box: TestBox, python: string, seconds: number): Promise<Figures> {
  const { success, stdout } = await new Deno.Command(python, {
    args: ["-P", `${ROOT}bench/python_client.py`, box.runId("python"), String(seconds)],
    env: {
      ...box.environment,
      TELEBRIDGE_DATA_DIR: box.dataDir,
      TELEBRIDGE_SPOOL_DIR: `${box.folder}/spool`,
    },
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("the Python client failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const python = installedPython();
  const serve = await Serve.start(box, { args: ["--log-level=error"] });
  const seconds = smoke ? 1 : 15;
  progress(`${CLIENTS} Python clients for ${seconds} s`);
  const ingest = ingestPid(serve.pid)!;
  const before = await processUsage(ingest);
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => logFrom(box, python, seconds)),
  );
  const after = await processUsage(ingest);
  const sum = (of: (client: Figures) => number) =>
    clients.reduce((total, client) => total + of(client), 0);
  const logged = sum(({ rows, loggingSeconds }) => rows / loggingSeconds);
  const stored = sum(({ rows, loggingSeconds, flushSeconds }) =>
    rows / (loggingSeconds + flushSeconds)
  );
  const dropped = sum(({ rowsDropped }) => rowsDropped);
  const cpuSeconds = after.cpuSeconds - before.cpuSeconds;
  const took = Math.max(...clients.map((one) => one.loggingSeconds + one.flushSeconds));
  return [{
    what: `${CLIENTS} Python clients log steps as fast as they can, ${dropped} dropped`,
    measured: `${(stored / 1e6).toFixed(3)} M rows/s logged and acknowledged`,
    against: `logged alone ${(logged / 1e6).toFixed(3)} M rows/s; the ingest process took ` +
      `${(100 * cpuSeconds / took).toFixed(0)}% of a core`,
    limit: "none dropped, the ingest process not the limit (under one core)",
    met: dropped === 0 && cpuSeconds < took,
  }];
}

export const pythonClientsBench: Bench = {
  name: "python-clients",
  title: "Python clients",
  run: measure,
};
