/** What `run.log` of the Python client costs a training loop, with the server up, slow, and gone. */

import { ROOT, TestBox } from "../tests/harness/box.ts";
import { LineReader } from "../tests/harness/line_reader.ts";
import { Serve } from "../tests/harness/serve.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";

const PYTHON = "/usr/bin/python3"; // Debian's, which has numpy, grpcio and protobuf
const CALLS = 200_000;
const CALLS_SMOKE = 2_000;
const P50_US_MAX = 5;
const P99_US_MAX = 50;
/** A slow server's: every commit takes so long. */
const COMMIT_S = 0.5;

interface Measured {
  log: { p50: number; p99: number };
  append: { p50: number; p99: number };
  counts: Record<string, number>;
}

/** The package as an installation has it, in the box. */
async function installPackage(box: TestBox): Promise<string> {
  const folder = `${box.folder}/python`;
  await Deno.mkdir(`${folder}/telebridge`, { recursive: true });
  const source = `${ROOT}clients/python/src/telebridge`;
  for await (const { name, isFile } of Deno.readDir(source)) {
    if (isFile) await Deno.copyFile(`${source}/${name}`, `${folder}/telebridge/${name}`);
  }
  for (const file of ["native/build/libtelebridge.so", "dist/telebridge.binpb"]) {
    await Deno.copyFile(`${ROOT}${file}`, `${folder}/telebridge/${file.split("/").at(-1)}`);
  }
  return folder;
}

function pythonEnvironment(box: TestBox, packages: string): Record<string, string> {
  return {
    ...box.environment,
    PYTHONPATH: packages,
    PYTHONDONTWRITEBYTECODE: "1",
    TELEBRIDGE_DATA_DIR: box.dataDir,
    TELEBRIDGE_SPOOL_DIR: `${box.folder}/spool`,
    TELEBRIDGE_EXIT_FLUSH_S: "30",
    OPENBLAS_NUM_THREADS: "1",
  };
}

/** Starts a server double that commits slowly; returns what ends it. */
async function startSlowServer(box: TestBox, packages: string): Promise<() => Promise<void>> {
  const server = new Deno.Command(PYTHON, {
    args: [`${ROOT}tests/python/double_server.py`, box.dataDir, String(COMMIT_S)],
    env: pythonEnvironment(box, packages),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await new LineReader(server.stdout).next("the slow server");
  return async () => {
    await server.stdin.close();
    await server.status;
  };
}

/** Runs the loop; `stopServer` is called once it is over, so that nobody waits for a slow one. */
async function measureOne(
  box: TestBox,
  packages: string,
  calls: number,
  stopServer: () => Promise<void>,
): Promise<Measured> {
  const loop = new Deno.Command(PYTHON, {
    args: [`${ROOT}bench/run_log.py`, String(calls)],
    env: pythonEnvironment(box, packages),
    stdin: "null",
    stdout: "piped",
    stderr: "null", // says where rows are kept while the server is away
  }).spawn();
  const line = await new LineReader(loop.stdout).next("bench/run_log.py");
  await stopServer();
  const { success } = await loop.status;
  if (!success) throw new Error("bench/run_log.py fails");
  return JSON.parse(line);
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  const calls = smoke ? CALLS_SMOKE : CALLS;
  const rows: Row[] = [];
  for (const server of ["up", "slow", "gone"]) {
    await using box = await TestBox.create();
    const packages = await installPackage(box);
    let stopServer = () => Promise.resolve();
    if (server === "up") await Serve.start(box);
    if (server === "slow") stopServer = await startSlowServer(box, packages);
    progress(`${calls} calls, server ${server}`);
    const { log, append, counts } = await measureOne(box, packages, calls, stopServer);
    const kept = `${counts.acked} acked, ${counts.spooled} spooled, ${counts.dropped} dropped`;
    rows.push({
      what: `run.log of 10 scalars, server ${server}: p50, p99 (${kept} at the loop's end)`,
      measured: `${log.p50.toFixed(1)}, ${log.p99.toFixed(1)} µs`,
      against: `${append.p50.toFixed(2)}, ${append.p99.toFixed(2)} µs to append the dictionary`,
      limit: `at most ${P50_US_MAX} and ${P99_US_MAX} µs`,
      met: log.p50 <= P50_US_MAX && log.p99 <= P99_US_MAX,
    });
  }
  return rows;
}

export const runLogBench: Bench = {
  name: "run-log",
  title: "What run.log costs a training loop in Python",
  run: measure,
};
