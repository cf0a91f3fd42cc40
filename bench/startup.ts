/** How long the one file takes from its start to serving, and how large it is, beside the same sources from a clone. */

import { ROOT, TestBox } from "../tests/harness/box.ts";
import { LineReader } from "../tests/harness/line_reader.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";
import { percentiles } from "./report.ts";

const WARM_MS_MAX = 1_000;
const FILE_BYTES_MAX = 60e6;
const FILES = {
  full: { level: "19", path: "dist/telebridge" },
  quick: { level: "1", path: "dist/tests/telebridge" },
};

/** A way to start, and what to do before each start. */
interface Way {
  name: string;
  command: readonly string[];
  prepare?: () => Promise<void>;
}

async function build({ level, path }: { level: string; path: string }): Promise<string> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--quiet", "tools/dist.ts"],
      ...["--kind", "bundle", "--level", level, "--output", path],
    ],
    cwd: ROOT,
  }).spawn().status;
  if (!success) throw new Error("tools/dist.ts failed");
  return ROOT + path;
}

/** Milliseconds until `serve` says that it is ready. */
async function startOnce(box: TestBox, { command, prepare }: Way): Promise<number> {
  await prepare?.();
  const [program, ...args] = command;
  const startedAtMs = performance.now();
  const child = new Deno.Command(program!, {
    args: [...args, "serve", "--json", "--port=0", "--grpc-port=0", `--data-dir=${box.dataDir}`],
    env: { ...box.environment, TELEBRIDGE_CACHE_DIR: `${box.folder}/cache` },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  await new LineReader(child.stdout).next("serve");
  const tookMs = performance.now() - startedAtMs;
  child.kill("SIGINT");
  await child.status;
  return tookMs;
}

/** As the launcher starts it, but by Deno itself: what is more is the launcher's. */
function withoutLauncher(): string[] {
  return [
    ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--no-remote", "--no-npm", "--no-config"],
    ...["--no-lock", "--no-code-cache", "--unstable-net", "--allow-all"],
    `${ROOT}dist/program/server/main.mjs`,
  ];
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const file = await build(smoke ? FILES.quick : FILES.full);
  const removeCache = () => Deno.remove(`${box.folder}/cache`, { recursive: true }).catch(() => {});
  const ways: Way[] = [
    { name: "the one file, its first start", command: [file], prepare: removeCache },
    { name: "the one file", command: [file] },
    { name: "its bundle by Deno alone", command: withoutLauncher() },
    { name: "bin/telebridge of the clone", command: [`${ROOT}bin/telebridge`] },
  ];
  const rounds = smoke ? 1 : 20;
  progress(`${ways.length} ways to start, ${rounds} times in turns`);
  const tookMs = new Map(ways.map(({ name }): [string, number[]] => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const way of ways) tookMs.get(way.name)!.push(await startOnce(box, way));
  }
  return [...ways.map(({ name }) => startRow(name, tookMs)), ...await sizeRows(file, smoke)];
}

function startRow(name: string, tookMs: ReadonlyMap<string, number[]>): Row {
  const { p50, p99 } = percentiles(tookMs.get(name)!);
  const isWarm = name === "the one file";
  return {
    what: `start to serving: ${name}`,
    measured: `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`,
    against: isWarm
      ? `the clone ${percentiles(tookMs.get("bin/telebridge of the clone")!).p50.toFixed(0)} ms`
      : "",
    limit: isWarm ? "1 s" : "",
    met: isWarm ? p50 < WARM_MS_MAX : null,
  };
}

async function sizeRows(file: string, smoke: boolean): Promise<Row[]> {
  const { size } = await Deno.stat(file);
  const runtime = (await Deno.stat(Deno.execPath())).size;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  return [{
    what: smoke ? "size of the one file, hardly compressed" : "size of the one file",
    measured: megabytes(size),
    against: `Deno itself, as it is ${megabytes(runtime)}`,
    limit: "60 MB",
    met: size < FILE_BYTES_MAX,
  }];
}

export const startupBench: Bench = {
  name: "startup",
  title: "The one file's start",
  run: measure,
};
