/**
 * The C benchmarks (bench/native): publishing against memcpy, waking a reader against a bare datagram, iceoryx, every
 * encoder, and what an agent draws.
 */

import { ROOT } from "../tests/harness/box.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";

/** Built by `make -C native bench-programs`, which leaves the last one out where iceoryx is not installed. */
const PROGRAMS = [
  "ring_publish",
  "ring_latency",
  "ring_soak",
  "encode",
  "agent_render",
  "ring_iceoryx",
];
const NATIVE = `${ROOT}native`;

async function run(command: string, args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(command, {
    args,
    stdin: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await run("make", ["--silent", "-C", NATIVE, "bench-programs"]);
  const rows: Row[] = [];
  for (const name of PROGRAMS) {
    const path = `${NATIVE}/build/bench/${name}`;
    if (!await isThere(path)) {
      progress(`SKIPPED: ${name}, which was not built: its peer's headers are not installed`);
      continue;
    }
    progress(name);
    rows.push(...JSON.parse(await run(path, smoke ? ["--json", "--smoke"] : ["--json"])).rows);
  }
  return rows;
}

export const nativeBench: Bench = { name: "native", title: "The ring in C", run: measure };
