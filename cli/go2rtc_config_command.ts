/** `telebridge go2rtc-config`. */

import { Command, Option } from "commander";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type AgentConfig, parseAgents } from "../core/agents/config.ts";
import { locateAssets } from "../core/assets.ts";
import { ENCODER_CHOICES } from "../core/encoders.ts";
import { UserError } from "../core/errors.ts";
import { Library } from "../ffi/library.ts";
import { CONFIG_FILE, CONFIG_FLAG, CONFIG_HELP, configOf } from "./config_file.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { composeFile, go2rtcConfig } from "./go2rtc/documents.ts";
import { type Mode, MODES, type Place, streamsOf } from "./go2rtc/streams.ts";

const EXAMPLES = `
Without a name given, all agents of the configuration file (${CONFIG_FILE}) that go2rtc can have are in it.

  exec   go2rtc starts an agent when somebody watches it, and reads MPEG-TS from it
  fifo   you run the agent, which encodes while go2rtc reads, for those who watch, from its FIFO

Examples:
  telebridge go2rtc-config > go2rtc.yaml                            the agents of the file
  telebridge go2rtc-config --mode fifo robot                        one of them
  telebridge go2rtc-config --agent robot --width 640 --height 360   one that is in no file
  telebridge go2rtc-config --agent cam -- ./camera --h264           any program that writes H.264
  telebridge go2rtc-config --compose > compose.yaml                 for docker compose up
`;

interface Options {
  mode: Mode;
  compose?: boolean;
  agent?: string;
  width?: string;
  height?: string;
  fps?: string;
  bitrate?: string;
  gop?: string;
  gpu?: string;
  encoder?: string;
  fifoDir?: string;
  dataDir?: string;
}

/** Of an agent that is in no file; they are the file's keys. */
const NUMBERS = ["width", "height", "fps", "bitrate", "gop", "gpu"] as const;

export function go2rtcConfigCommand(): Command {
  return new Command("go2rtc-config")
    .description("Write go2rtc's configuration for headless agents, or a compose file with it.")
    .argument("[AGENT...]", "agents of the file; with --agent: a command, after --")
    .addOption(new Option("--mode <MODE>", "who runs the agents").choices(MODES).default("exec"))
    .option("--compose", "a compose file with go2rtc, and the configuration in it")
    .option("--agent <NAME>", "an agent that is in no file, by the options below")
    .option("--width <PIXELS>", "of its pictures")
    .option("--height <PIXELS>", "of its pictures")
    .option("--fps <RATE>", "pictures per second")
    .option("--bitrate <KBPS>", "kilobits per second")
    .option("--gop <SECONDS>", "between keyframes")
    .option("--gpu <INDEX>", "EGL device, as telebridge doctor counts them")
    .addOption(new Option("--encoder <KIND>", "of H.264").choices(ENCODER_CHOICES))
    .option("--fifo-dir <DIR>", "where the FIFOs are (default: the runtime directory)")
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .addHelpText("after", EXAMPLES)
    .action((words: string[], options: Options, command: Command) => {
      Deno.stdout.writeSync(new TextEncoder().encode(documentOf(words, options, command)));
    });
}

function documentOf(words: string[], options: Options, command: Command): string {
  const { mode, compose } = options;
  if (compose && mode !== "exec") {
    throw new UserError("--compose is for --mode exec: in a container go2rtc starts the agents");
  }
  const agents = options.agent === undefined
    ? chosen(words, configOf(command, dataDirOf(options.dataDir)).agents, options)
    : [describedAgent(options.agent, words, options)];
  const { executable, kind } = locateAssets();
  const place: Place = {
    executable: compose ? "telebridge" : executable,
    fifoDir: mode === "fifo" ? fifoDirOf(options) : "",
    isContainer: compose === true,
  };
  const streams = streamsOf(agents, mode, place);
  if (streams.streams.length === 0) {
    const reasons = streams.leftOut.map(({ name, why }) => `\n  ${name}: ${why}`);
    throw new UserError(`go2rtc can have none of these agents:${reasons.join("")}`);
  }
  for (const { name, why } of streams.leftOut) {
    console.error(`telebridge: agent ${name} is left out: ${why}`);
  }
  const config = go2rtcConfig(streams);
  if (!compose) return config;
  // A clone is no file that a container could be given.
  const oneFile = kind === "clone" ? resolve(executable, "../../dist/telebridge") : executable;
  if (!existsSync(oneFile)) console.error(`telebridge: make dist makes ${oneFile}, which it needs`);
  return composeFile(config, { executable: oneFile, nvidia: existsSync("/dev/nvidiactl") });
}

function chosen(names: string[], agents: AgentConfig[], { dataDir }: Options): AgentConfig[] {
  const stranger = names.find((name) => !agents.some((agent) => agent.name === name));
  if (stranger !== undefined) {
    const there = agents.map(({ name }) => name).join(", ") || "none";
    throw new UserError(
      `the file has no agent "${stranger}" (it has: ${there}); --agent makes one`,
    );
  }
  if (agents.length === 0) {
    const path = resolve(dataDirOf(dataDir), CONFIG_FILE);
    throw new UserError(`there is no agent in the configuration file, ${path}; --agent makes one`);
  }
  return names.length === 0 ? agents : agents.filter(({ name }) => names.includes(name));
}

/** As if the file had it. */
function describedAgent(name: string, command: string[], options: Options): AgentConfig {
  const numbers = NUMBERS.flatMap((key) => {
    const text = options[key];
    return text === undefined ? [] : [[key, text.trim() === "" ? text : Number(text)]];
  });
  const table = {
    ...Object.fromEntries(numbers),
    ...(options.encoder === undefined ? {} : { encoder: options.encoder }),
    ...(command.length === 0 ? {} : { command, source: "exec" }),
  };
  const [agent] = parseAgents({ [name]: table }, "the command line");
  return agent!;
}

function fifoDirOf({ fifoDir }: Options): string {
  if (fifoDir !== undefined) return resolve(fifoDir);
  using library = Library.open(locateAssets().libraryPath);
  return library.runtimeDir();
}
