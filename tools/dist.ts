/**
 * Makes telebridge one file, in a clone that `make build` has been in:
 *
 *     tools/dist.ts [--kind bundle|compiled] [--level 1..19] [--output FILE]
 *
 * `compiled` is Deno's own way (`deno compile`) and takes `denort`, which Deno downloads at first use, or DENORT_BIN;
 * `bundle` is ours, and takes nothing (docs/dist.md). Without --kind it is the first that can be had.
 */

import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { packArchive, type PackedParts } from "./dist/archive.ts";
import { compileProgram } from "./dist/compiled.ts";
import { run, stageProgram } from "./dist/stage.ts";

const PROGRAM_DIR = "dist/program";
const FRAMES_DIR = "dist/frames";
const LAUNCHER = "native/build/launcher";
const RUNTIME = `${PROGRAM_DIR}/bin/telebridge`;
const LEVELS = { min: 1, max: 19 };

function say(line: string): void {
  console.error(`dist: ${line}`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

async function buildBundle(output: string, level: number): Promise<void> {
  await run("make", "--silent", "-C", "native", "launcher");
  await Deno.mkdir(`${PROGRAM_DIR}/bin`, { recursive: true });
  await Deno.copyFile(Deno.execPath(), RUNTIME);
  const parts = await packArchive({
    launcher: LAUNCHER,
    folder: PROGRAM_DIR,
    level,
    cacheDir: FRAMES_DIR,
    output,
  });
  say(`${output}: ${megabytes((await Deno.stat(output)).size)} (bundle: ${sizes(parts)})`);
}

/** The largest parts, the rest in one. */
function sizes(parts: PackedParts): string {
  const named = new Map([["bin/telebridge", "Deno"], ["server/main.mjs", "server"]]);
  const sorted = [...parts].toSorted(([, a], [, b]) => b - a);
  const rest = sorted.slice(4).reduce((sum, [, bytes]) => sum + bytes, 0);
  return [...sorted.slice(0, 4), ["the rest", rest] as const]
    .map(([path, bytes]) => `${named.get(path) ?? path} ${megabytes(bytes)}`).join(", ");
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kind: { type: "string" },
      level: { type: "string", default: String(LEVELS.max) },
      output: { type: "string", default: "dist/telebridge" },
    },
  });
  const { kind, output } = values;
  const level = Number(values.level);
  if (![undefined, "bundle", "compiled"].includes(kind)) {
    say(`there is no kind "${kind}": say bundle or compiled`);
    return 2;
  }
  if (!Number.isInteger(level) || level < LEVELS.min || level > LEVELS.max) {
    say(`--level is "${values.level}", expected ${LEVELS.min} to ${LEVELS.max}`);
    return 2;
  }
  Deno.chdir(new URL("..", import.meta.url));
  await Deno.mkdir(dirname(output), { recursive: true });
  await stageProgram(PROGRAM_DIR);
  if (kind === "bundle") {
    await buildBundle(output, level);
    return 0;
  }
  const failure = await compileProgram(PROGRAM_DIR, output);
  if (failure === null) {
    say(`${output}: ${megabytes((await Deno.stat(output)).size)} (compiled)`);
    return 0;
  }
  if (kind === "compiled") {
    say(`deno compile found no base: ${failure}; DENORT_BIN names a denort that you have`);
    return 1;
  }
  say(`the bundle kind instead of deno compile's: ${failure}`);
  await buildBundle(output, level);
  return 0;
}

if (import.meta.main) Deno.exit(await main());
