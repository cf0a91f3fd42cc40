/** `telebridge run`. */

import { Command } from "commander";
import { init, isLoopback, placeOf, type Run } from "../clients/ts/mod.ts";
import { locateAssets } from "../core/assets.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { Library } from "../ffi/library.ts";
import { NotStarted, passSignals, passThrough, startCommand } from "./child_command.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP } from "./data_dir_option.ts";
import { LineSplitter } from "./line_splitter.ts";
import { RunPictures } from "./run_pictures.ts";
import { shownText, takeLine } from "./run_records.ts";
import { stopRequested } from "./stop_signal.ts";

const EXAMPLES = `
Lines of the command's stdout that are JSON objects with a "type" are stored and shown, all others are
lines of the run's log, as those of its stderr are; both are passed on as they are.

  {"type": "step", "step": 7, "episode": 0, "reward": 1.0, "terminated": false}
  {"type": "episode", "episode": 0, "return": 21.0, "length": 200}
  {"type": "scalars", "step": 7, "values": {"train/loss": 0.25}}
  {"type": "params", "values": {"learning_rate": 0.0003}}
  {"type": "log", "level": "warning", "text": "the gradient is large"}
  {"type": "frame", "format": "rgb8", "width": 160, "height": 120, "data": "BASE64"}

Examples:
  telebridge run cartpole -- python train.py --seed 1
  telebridge run cartpole --tags ppo,baseline --param seed=1 -- python train.py --seed 1
  telebridge run sim --quiet -- ./simulator --json
  telebridge run sim -- ./simulator --json | jq .reward
  TELEBRIDGE_URL=https://gpu-box:7447/?token=TOKEN telebridge run far -- ./simulator

The exit code is the command's. docs/run.md has all kinds of lines.
`;

interface RunOptions {
  tags: string[];
  param: Record<string, string>;
  quiet?: boolean;
  url?: string;
  dataDir?: string;
}

export function runCommand(onExitCode: (code: number) => void): Command {
  return new Command("run")
    .description("Start any command, and store and show what it prints.")
    .argument("<NAME>", "the run's name")
    .argument("<CMD...>", "the command and its arguments, after --")
    .option("--tags <TAGS>", "tags of the run, with commas between them", addTags, [])
    .option("--param <KEY=VALUE>", "a setting of the run; again for more", addParam, {})
    .option("--quiet", "do not pass the command's output on")
    .option("--url <URL>", "the server's (default: TELEBRIDGE_URL, else the one on this machine)")
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .addHelpText("after", EXAMPLES)
    .action(async (name: string, command: string[], options: RunOptions) => {
      onExitCode(await run(name, command, options));
    });
}

function addTags(text: string, tags: string[]): string[] {
  return [...tags, ...text.split(",").map((tag) => tag.trim()).filter((tag) => tag !== "")];
}

function addParam(text: string, params: Record<string, string>): Record<string, string> {
  const [key, ...value] = text.split("=");
  if (!key || value.length === 0) throw new UserError(`--param ${text}: expected KEY=VALUE`);
  return { ...params, [key]: value.join("=") };
}

function complain(text: string): void {
  console.error(`telebridge: ${text}`);
}

async function run(name: string, command: string[], options: RunOptions): Promise<number> {
  const run = openRun(name, command, options);
  using library = openLibrary(options);
  let child: Deno.ChildProcess;
  try {
    child = startCommand(command, { environment: childEnvironment(), stderr: "piped" });
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    complain(error.message);
    await run.finish({ state: "failed", reason: error.message, timeoutMs: 1000 });
    return error.exitCode;
  }
  const stopPassing = passSignals(child);
  {
    using pictures = new RunPictures(run, library, complain);
    await record(child, run, pictures, options.quiet === true);
  }
  const { code, signal } = await child.status;
  stopPassing();
  await finish(run, code, signal);
  return code;
}

function openRun(name: string, command: string[], { tags, param, url, dataDir }: RunOptions): Run {
  try {
    return init({
      run: name,
      ...(url === undefined ? {} : { url }),
      ...(dataDir === undefined ? {} : { dataDir }),
      tags,
      params: param,
      metadata: { command, startedBy: "telebridge run" },
      onWarning: (line) => console.error(line),
    });
  } catch (error) {
    throw new UserError(messageOf(error));
  }
}

/** For pictures in shared memory, which only a server on this machine sees. */
function openLibrary({ url, dataDir }: RunOptions): Library | null {
  const place = placeOf({ url, dataDir }, Deno.env.toObject());
  if (place.url !== null && !isLoopback(place.url.hostname)) return null;
  try {
    return Library.open(locateAssets().libraryPath);
  } catch (error) {
    complain(`${messageOf(error)}; pictures go by gRPC`);
    return null;
  }
}

/** Python keeps what it prints into a pipe for a long time, unless it is told not to. */
function childEnvironment(): Record<string, string> {
  return Deno.env.has("PYTHONUNBUFFERED") ? {} : { PYTHONUNBUFFERED: "1" };
}

async function record(
  child: Deno.ChildProcess,
  run: Run,
  pictures: RunPictures,
  isQuiet: boolean,
): Promise<void> {
  const notes = new LineNotes();
  const takeOut = (text: string, isCut: boolean) => {
    const complaint = takeLine(text, run, pictures);
    if (isCut) notes.cut++;
    if (complaint !== null) notes.badRecord(complaint);
  };
  const takeError = (text: string, isCut: boolean) => {
    if (isCut) notes.cut++;
    const shown = shownText(text);
    if (shown !== "") run.text("stderr", shown);
  };
  await Promise.all([
    follow(child.stdout, isQuiet ? null : Deno.stdout, takeOut),
    follow(child.stderr, isQuiet ? null : Deno.stderr, takeError),
  ]);
  notes.sumUp();
}

async function follow(
  output: Deno.ChildProcess["stdout"],
  onward: typeof Deno.stdout | typeof Deno.stderr | null,
  take: (text: string, isCut: boolean) => void,
): Promise<void> {
  const splitter = new LineSplitter();
  await passThrough(output, onward, {
    take: (bytes) => {
      for (const { text, isCut } of splitter.push(bytes)) take(text, isCut);
    },
    onFailure: (error) =>
      complain(`what the command prints is stored, but cannot be passed on: ${messageOf(error)}`),
  });
  const rest = splitter.end();
  if (rest !== null) take(rest.text, rest.isCut);
}

/** What was wrong with lines: the first is told at once, the rest is counted. */
class LineNotes {
  cut = 0;
  #badRecords = 0;

  badRecord(complaint: string): void {
    if (this.#badRecords++ > 0) return;
    complain(`a line that looks like a record is none (${complaint}): it goes to the log`);
  }

  sumUp(): void {
    if (this.#badRecords > 1) {
      complain(`${this.#badRecords} lines looked like records and were none`);
    }
    if (this.cut > 0) complain(`${this.cut} lines were too long and were cut in the log`);
  }
}

/** A second Ctrl-C does not wait for the server. */
async function finish(run: Run, code: number, signal: Deno.Signal | null): Promise<void> {
  const state = code === 0 ? "finished" : "failed";
  const reason = signal !== null ? `ended by ${signal}` : code === 0 ? "" : `exit code ${code}`;
  const stop = stopRequested();
  await Promise.race([run.finish({ state, reason }), stop]);
}
