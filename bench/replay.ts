/** How fast `telebridge replay` is, beside SQLite's own shell printing the same rows. */

import { databasePath, openStore } from "../core/storage/open.ts";
import { ROOT, TestBox } from "../tests/harness/box.ts";
import { StoredRun } from "../tests/harness/stored_runs.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";

const RUN_ID = "bench";
const ROWS_PER_BATCH = 1_000;
const SERIES_COUNT = 20;
const ROWS_PER_SECOND_MIN = 1_000_000 / 60;
const POLL_MS = 20;

const TELEBRIDGE = [Deno.execPath(), "run", "--allow-all", "--quiet", `${ROOT}main.ts`];
const SHELL_SQL = "SELECT time_ns, step, episode, reward, flags & 1, flags & 2 FROM step_row";

interface Printed {
  rowsPerSecond: number;
  bytes: number;
  residentBytesMax: number;
}

/** Runs a command whose output is read as fast as it comes. */
async function print(
  box: TestBox,
  [command, ...args]: readonly string[],
  rowsCount: number,
): Promise<Printed> {
  const startedAtMs = performance.now();
  const child = new Deno.Command(command!, { args, env: box.environment, stdout: "piped" }).spawn();
  let residentBytesMax = 0;
  const timer = setInterval(() => {
    residentBytesMax = Math.max(residentBytesMax, residentBytesPeak(child.pid));
  }, POLL_MS);
  let bytes = 0;
  for await (const chunk of child.stdout) bytes += chunk.length;
  const { success } = await child.status;
  clearInterval(timer);
  if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
  const seconds = (performance.now() - startedAtMs) / 1000;
  return { rowsPerSecond: rowsCount / seconds, bytes, residentBytesMax };
}

/** VmHWM of proc_pid_status(5); 0 when the process is gone. */
function residentBytesPeak(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function hasSqliteShell(): boolean {
  try {
    return new Deno.Command("sqlite3", { args: ["--version"], stdout: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

/** As many samples as steps. */
function store(box: TestBox, stepsCount: number): void {
  using writer = openStore(databasePath(box.dataDir));
  const run = new StoredRun(writer, RUN_ID);
  for (let from = 0; from < stepsCount; from += ROWS_PER_BATCH) {
    const numbers = Array.from({ length: ROWS_PER_BATCH }, (_, n) => from + n);
    run.addSteps(numbers.map((n) => ({ ms: n, step: n, reward: Math.sin(n) })));
    run.addSamples(numbers.map((n) => (
      { ms: n, series: `series/${n % SERIES_COUNT}`, value: Math.fround(Math.cos(n)), step: n }
    )));
  }
  while (writer.idle());
}

function rate(rowsPerSecond: number): string {
  return `${(rowsPerSecond / 1e6).toFixed(2)} M rows/s`;
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const stepsCount = smoke ? 20_000 : 2_000_000;
  progress(`storing ${stepsCount} steps and as many samples`);
  store(box, stepsCount);
  const replay = (...args: string[]) => [
    ...TELEBRIDGE,
    ...["replay", RUN_ID, "--data-dir", box.dataDir, ...args],
  ];
  progress("steps");
  const peer = hasSqliteShell()
    ? await print(box, ["sqlite3", "-csv", databasePath(box.dataDir), SHELL_SQL], stepsCount)
    : null;
  const beside = peer === null
    ? "no sqlite3 shell here"
    : `${rate(peer.rowsPerSecond)}: sqlite3 -csv`;
  const csv = await print(box, replay("--kinds", "steps", "--format", "csv"), stepsCount);
  const ndjson = await print(box, replay("--kinds", "steps"), stepsCount);
  progress("steps and samples, merged");
  const merged = await print(box, replay(), 2 * stepsCount);
  const packed = await print(box, replay("--format", "msgpack"), 2 * stepsCount);
  const small = await print(box, replay("--to", `step:${stepsCount / 10}`), stepsCount / 5);
  const row = (what: string, { rowsPerSecond }: Printed, against: string): Row => ({
    what,
    measured: rate(rowsPerSecond),
    against,
    limit: "at least 1 M rows a minute",
    met: rowsPerSecond >= ROWS_PER_SECOND_MIN,
  });
  const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return [
    row(`${stepsCount} steps as CSV, from start to end of the command`, csv, beside),
    row("the same as NDJSON", ndjson, beside),
    row(`${stepsCount} steps and samples of ${SERIES_COUNT} series in order of time`, merged, ""),
    row("the same as MessagePack", packed, ""),
    {
      what: "resident memory at most, all of it",
      measured: mib(merged.residentBytesMax),
      against: `${mib(small.residentBytesMax)} for a tenth of it`,
      limit: "",
      met: null,
    },
  ];
}

export const replayBench: Bench = {
  name: "replay",
  title: "Replay of a stored run",
  run: measure,
};
