/**
 * `deno task bench`: every benchmark, each figure beside its limit or its peer in the same run.
 *
 * Machines are noisy: ratios within one run hold, absolute times do not.
 */

import { parseArgs } from "node:util";
import { durablePathBench } from "./durable_path.ts";
import { ffiBench } from "./ffi.ts";
import { heapBench } from "./heap.ts";
import { idleBench } from "./idle.ts";
import { nativeBench } from "./native.ts";
import { pixelsBench } from "./pixels.ts";
import { replayBench } from "./replay.ts";
import { pythonClientsBench } from "./python_clients.ts";
import { type Bench, machine, markdownTable, type Row } from "./report.ts";
import { runLogBench } from "./run_log.ts";
import { startupBench } from "./startup.ts";
import { storageBench } from "./storage.ts";
import { videoLoadBench } from "./video_load.ts";
import { videoPathBench } from "./video_path.ts";
import { videoPeerBench } from "./video_peer.ts";
import { videoPixelsBench } from "./video_pixels.ts";

export const benches: readonly Bench[] = [
  nativeBench,
  ffiBench,
  idleBench,
  pixelsBench,
  heapBench,
  storageBench,
  videoPeerBench,
  videoPathBench,
  videoPixelsBench,
  videoLoadBench,
  durablePathBench,
  pythonClientsBench,
  runLogBench,
  replayBench,
  startupBench,
];

const HELP = `deno task bench [NAME...] [--smoke] [--json]

Runs the benchmarks (all of them, or those named) and prints a Markdown table each.

  --smoke   small sizes: shows that they work, the figures mean little
  --json    one JSON object on stdout instead of the tables

Names: ${benches.map(({ name }) => name).join(", ")}`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      smoke: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
    allowPositionals: true,
    args: Deno.args,
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const unknown = positionals.find((name) => !benches.some((bench) => bench.name === name));
  if (unknown !== undefined) {
    console.error(`there is no benchmark "${unknown}"\n\n${HELP}`);
    return 2;
  }
  const chosen = benches.filter(({ name }) =>
    positionals.length === 0 || positionals.includes(name)
  );
  const results: Record<string, Row[]> = {};
  const where = await machine();
  if (!values.json) console.log(`${where}\n${new Date().toISOString().slice(0, 10)}\n`);
  for (const bench of chosen) {
    console.error(`# ${bench.title}`);
    const rows = await bench.run({
      smoke: values.smoke,
      progress: (line) => console.error(`  ${line}`),
    });
    results[bench.name] = rows;
    if (!values.json) console.log(`## ${bench.title}\n\n${markdownTable(rows)}\n`);
  }
  if (values.json) console.log(JSON.stringify({ machine: where, results }));
  const missed = Object.values(results).flat().filter((row) => row.met === false);
  for (const row of missed) console.error(`missed: ${row.what}: ${row.measured} (${row.limit})`);
  return 0;
}

if (import.meta.main) Deno.exit(await main());
