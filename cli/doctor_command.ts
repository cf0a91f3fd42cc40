/** `telebridge doctor`: what this box can do, and what is worth changing. */

import { Command } from "commander";
import { locateAssets } from "../core/assets.ts";
import { messageOf } from "../core/errors.ts";
import { DEFAULT_SETTINGS, type Settings } from "../core/settings.ts";
import { VERSION } from "../core/version.ts";
import { Library } from "../ffi/library.ts";
import { CONFIG_FLAG, CONFIG_HELP, configOf } from "./config_file.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { CHECKS } from "./doctor/checks.ts";
import type { Box, Finding } from "./doctor/check.ts";
import { isWell, jsonOf, reportLines } from "./doctor/report.ts";
import { runChecks } from "./doctor/run_checks.ts";
import { addSettingOptions } from "./setting_options.ts";

/** A data directory that does not say so soon whether it is there is on a disk that is gone. */
const DATA_DIR_MS_MAX = 1_000;
const COLUMNS_WITHOUT_TERMINAL = 80;

const NOTES = `
Each line: ok as it should be, note good to know, warn worth changing, fail serve cannot run. The exit code
is 0 unless something fails. It takes up to 5 seconds, whatever hangs, and leaves nothing behind.

Examples:
  telebridge doctor                            before the first serve, or when something is odd
  telebridge doctor --port 8080                would serve get that port?
  telebridge doctor --json | jq '.checks[] | select(.level != "ok")'

Settings come from the flags, the environment and the configuration file, as for serve.
`;

export function doctorCommand(onExitCode: (code: number) => void): Command {
  const command = new Command("doctor")
    .description(
      "Tell what this box can do: ports, disk, GPU, encoders, limits; and what to change.",
    )
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option("--json", "print JSON, with all the figures")
    .addHelpText("after", NOTES);
  addSettingOptions(command, [
    ...["host", "port", "tls", "tlsCert", "tlsKey", "allowHosts"] as const,
    ...["encoder", "grpcPort", "grpcHost"] as const,
  ]);
  return command.action(async () => onExitCode(await examine(command)));
}

async function examine(command: Command): Promise<number> {
  const startedAtMs = performance.now();
  const { dataDir: flag, json } = command.opts<{ dataDir?: string; json?: boolean }>();
  const dataDir = dataDirOf(flag);
  const findings = await findingsOf(command, dataDir);
  if (json) {
    const about = {
      version: VERSION,
      host: Deno.hostname(),
      tookMs: performance.now() - startedAtMs,
    };
    console.log(JSON.stringify(jsonOf(findings, about)));
  } else {
    const columns = Deno.stdout.isTerminal()
      ? Deno.consoleSize().columns
      : COLUMNS_WITHOUT_TERMINAL;
    console.log(`telebridge ${VERSION} on ${Deno.hostname()}\n`);
    for (const line of reportLines(findings, columns)) console.log(line);
  }
  return isWell(findings) ? 0 : 1;
}

async function findingsOf(command: Command, dataDir: string): Promise<Finding[]> {
  if (!await answers(dataDir)) {
    return [{
      name: "data",
      level: "fail",
      text: `${dataDir} does not answer: nothing that needs it was looked at`,
      change: {
        why: "the disk of the data directory does not answer",
        command: "telebridge doctor --data-dir /var/tmp/telebridge",
      },
    }];
  }
  const settings = settingsFinding(command, dataDir);
  const library = openLibrary();
  const box: Box = {
    environment: Deno.env.toObject(),
    dataDir,
    settings: settings.value,
    library: library.value,
    program: locateAssets().program,
    nowMs: Date.now(),
  };
  return [...library.findings, ...settings.findings, ...await runChecks(CHECKS, box)];
}

/** Whether its disk says anything about it, be it that there is none. */
async function answers(dataDir: string): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) =>
    timer = setTimeout(() => resolve(false), DATA_DIR_MS_MAX)
  );
  const said = Deno.lstat(dataDir).then(() => true, () => true);
  const result = await Promise.race([said, late]);
  clearTimeout(timer);
  return result;
}

interface Tried<Value> {
  value: Value;
  /** What was wrong. */
  findings: Finding[];
}

/** With the defaults where they are wrong: the rest is looked at all the same. */
function settingsFinding(command: Command, dataDir: string): Tried<Settings> {
  try {
    return { value: configOf(command, dataDir).settings, findings: [] };
  } catch (error) {
    const change = {
      why: "a setting is wrong, and serve refuses to start with it",
      command: "telebridge serve --help   # what each may be, and where it may come from",
    };
    return {
      value: DEFAULT_SETTINGS,
      findings: [{ name: "settings", level: "fail", text: messageOf(error), change }],
    };
  }
}

function openLibrary(): Tried<Library | null> {
  const fail = (text: string): Tried<null> => ({
    value: null,
    findings: [{
      name: "library",
      level: "fail",
      text,
      change: {
        why: "the native library is missing or of another version",
        command: "make build   # or copy the executable anew",
      },
    }],
  });
  try {
    const library = Library.open(locateAssets().libraryPath);
    if (library.version === VERSION) return { value: library, findings: [] };
    return fail(`the native library is ${library.version}, this program ${VERSION}`);
  } catch (error) {
    return fail(messageOf(error));
  }
}
