/**
 * The test runner behind `make test`: runs the suites one after another, each with a bound against
 * hangs and a log of its own, and ends with the line `N passed, N failed`.
 *
 *     tests/run.ts [--suite NAME]... [--filter TEXT]
 */
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { closingLine, type Counts, sumOf } from "./runner/counts.ts";
import { inLanes } from "./runner/lanes.ts";
import { Sandbox } from "./runner/sandbox.ts";
import { type Suite, suites } from "./runner/suites.ts";
import { judge, type Verdict } from "./runner/verdict.ts";

const LOG_FOLDER = "dist/tests";
/** How much of a failed suite's log is shown; the log itself has the rest. */
const LOG_TAIL_LINES = 80;
/** Long suites say so now and then: some machines end a job that prints nothing. */
const HEARTBEAT_SECONDS = 60;
/** Between asking a hanging suite to end and ending it. */
const KILL_AFTER_SECONDS = 10;
/** Files of a suite that run at the same time, where it allows that. */
const LANES = 2;

interface Result extends Counts {
  readonly suite: string;
}

async function main(args: string[]): Promise<number> {
  const { values: { suite: names, filter } } = parseArgs({
    args,
    options: { suite: { type: "string", multiple: true }, filter: { type: "string" } },
  });
  const chosen = suites.filter(({ name, filterFlag }) =>
    (names === undefined || names.includes(name)) && (filter === undefined || filterFlag)
  );
  if (chosen.length === 0) {
    console.error(`no such suite; there are: ${suites.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  Deno.chdir(new URL("..", import.meta.url));
  await Deno.mkdir(LOG_FOLDER, { recursive: true });
  const sandbox = await Sandbox.create();
  const results: Result[] = [];
  try {
    for (const suite of chosen) results.push(await runSuite(suite, sandbox, filter));
    results.push(await checkLeftovers(sandbox));
  } finally {
    await sandbox.remove();
  }
  return summarize(results);
}

async function runSuite(suite: Suite, sandbox: Sandbox, filter?: string): Promise<Result> {
  const startedAtMs = Date.now();
  const secondsSoFar = () => (Date.now() - startedAtMs) / 1000;
  const heartbeat = setInterval(
    () => console.log(`  ${suite.name}: running for ${secondsSoFar().toFixed(0)} s`),
    HEARTBEAT_SECONDS * 1000,
  );
  const runFile = (file?: string) => () => runPart(suite, file, sandbox, filter);
  const { sideBySide, alone } = suite.files ?? { sideBySide: [], alone: [undefined] };
  const parts = [
    ...await inLanes(LANES, sideBySide.map(runFile)),
    ...await inLanes(1, alone.map(runFile)),
  ];
  clearInterval(heartbeat);

  const counts = sumOf(parts.map((part) => part.verdict.counts));
  console.log(
    `${suite.name.padEnd(10)} ${closingLine(counts)}  (${secondsSoFar().toFixed(1)} s)`,
  );
  for (const { name, log, text, verdict } of parts) {
    if (verdict.counts.failed === 0) continue;
    const tail = text.trimEnd().split("\n").slice(-LOG_TAIL_LINES);
    console.log(tail.map((line) => `  | ${line}`).join("\n"));
    console.log(`  ${name}: ${verdict.complaint ?? "tests failed"}; the whole log is ${log}`);
  }
  return { suite: suite.name, ...counts };
}

interface Part {
  /** `system`, or `system/tls_test.ts` where a suite's files run one by one. */
  readonly name: string;
  readonly log: string;
  readonly text: string;
  readonly verdict: Verdict;
}

/** Runs one file of a suite, or all of it. */
async function runPart(
  suite: Suite,
  file: string | undefined,
  sandbox: Sandbox,
  filter?: string,
): Promise<Part> {
  const name = file === undefined ? suite.name : `${suite.name}/${basename(file)}`;
  const log = `${LOG_FOLDER}/${name.replace("/", ".")}.log`;
  const bound = ["timeout", `--kill-after=${KILL_AFTER_SECONDS}`, `${suite.minutesMax}m`];
  const filterArgs = filter !== undefined && suite.filterFlag ? [suite.filterFlag, filter] : [];
  const startedAtMs = Date.now();
  // The shell gives the suite the log itself to write to, not a pipe: a process that it leaves
  // behind can then not keep the runner waiting for the pipe's end.
  const intoLog = ["sh", "-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "sh", log];
  const exitStatus = await run(
    [...intoLog, ...bound, ...suite.command, ...filterArgs, ...(file === undefined ? [] : [file])],
    await sandbox.newRoom(),
  );
  const text = await Deno.readTextFile(log);
  const seconds = (Date.now() - startedAtMs) / 1000;
  const ending = {
    exitStatus,
    seconds,
    filtered: filter !== undefined,
    isPart: file !== undefined,
  };
  const verdict = judge(suite, ending, text);
  return { name, log, text, verdict };
}

async function checkLeftovers(sandbox: Sandbox): Promise<Result> {
  const leftovers = await sandbox.leftovers();
  const passed = leftovers.length === 0 ? 1 : 0;
  const counts = { passed, failed: 1 - passed, skipped: 0, skipReasons: [] };
  console.log(`${"leftovers".padEnd(10)} ${closingLine(counts)}`);
  for (const { kind, description } of leftovers) {
    console.log(`  left behind: ${kind} ${description}`);
  }
  return { suite: "leftovers", ...counts };
}

function summarize(results: readonly Result[]): number {
  const skipReasons = results.flatMap(({ suite, skipReasons }) =>
    skipReasons.map((reason) => `${suite}: ${reason}`)
  );
  if (skipReasons.length > 0) {
    console.log(`\nSKIPPED, so not proven on this machine:`);
    for (const [reason, tests] of Map.groupBy(skipReasons, (reason) => reason)) {
      console.log(`  ${reason}${tests.length > 1 ? ` (${tests.length} tests)` : ""}`);
    }
  }
  const sum = sumOf(results);
  console.log("");
  console.log(closingLine(sum));
  return sum.failed === 0 ? 0 : 1;
}

/** Ctrl-C was pressed. */
class Interrupted extends Error {}

/** Runs a command to its end and returns its exit status; Ctrl-C ends it and then throws. */
async function run([program, ...args]: string[], env: Record<string, string>): Promise<number> {
  const child = new Deno.Command(program!, { args, env, clearEnv: true, stdin: "null" }).spawn();
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    child.kill("SIGTERM");
  };
  Deno.addSignalListener("SIGINT", interrupt);
  const { code } = await child.status;
  Deno.removeSignalListener("SIGINT", interrupt);
  if (interrupted) throw new Interrupted();
  return code;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    Deno.exit(130); // as a shell reports it
  }
}
