/** `telebridge agents`: what the server's agents do, and a word to each. */

import { Command } from "commander";
import { UserError } from "../core/errors.ts";
import { type AgentAction, NoSuchAgent, type Reloaded } from "../core/agents/supervisor.ts";
import { pause } from "../core/pause.ts";
import type { AgentsAnswer, AgentState, AgentStatus } from "../proto/agents.ts";
import { printLogs } from "./agents/logs.ts";
import { agentColumns, noteOf } from "./agents/words.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { tableLines } from "./runs/table.ts";
import { printable } from "./runs/words.ts";
import { ServerApi } from "./server_api.ts";
import { openStoredRuns } from "./stored_runs.ts";
import { unknownCommand } from "./unknown_command.ts";

const LOOK_EVERY_MS = 100;
const LINES_DEFAULT = "100";

const EXAMPLES = `
Agents are declared in the server's configuration file and nowhere else, a table each:

  [agents.cam0]                                    ours, with its own scene
  width = 640
  height = 360

  [agents.sim]                                     a program that publishes by itself
  command = ["python3", "sim.py"]
  gpu = 0
  memory-max = "4GiB"

Examples:
  telebridge agents                                what they do
  telebridge agents --json | jq -r '.agents[] | select(.state != "running") | .name'
  telebridge agents restart sim
  telebridge agents logs sim -f | grep -i error
  telebridge agents reload                         after a change of the file

docs/agents.md has every key.
`;

/** The state in which each action ends, where all goes well. */
const REACHED: Readonly<Record<AgentAction, AgentState>> = {
  start: "running",
  stop: "stopped",
  restart: "running",
};
const PASSING: ReadonlySet<AgentState> = new Set(["starting", "stopping"]);

interface Common {
  dataDir?: string;
  json?: boolean;
}

export function agentsCommand(onExitCode: (code: number) => void): Command {
  const agents = withCommon(new Command("agents"))
    .description("Show, start, stop and restart the agents of the running server.")
    .usage("[options] [command]")
    .argument("[other...]") // else a slip of the pen is "too many arguments"
    .addHelpText("after", EXAMPLES)
    .action((other: string[], options) => {
      if (other.length > 0) throw unknownCommand(other[0]!, agents);
      return list(options);
    });
  agents.addCommand(
    withCommon(new Command("ls"))
      .description("What they do; the same as agents alone.")
      .action((_, command) => list(command.optsWithGlobals())),
  );
  for (const action of ["start", "stop", "restart"] as const) {
    agents.addCommand(
      withCommon(new Command(action))
        .description(DESCRIPTIONS[action])
        .argument("[AGENT...]")
        .option("--all", "all that there are")
        .action(async (names: string[], _, command) => {
          onExitCode(await act(action, names, command.optsWithGlobals()));
        }),
    );
  }
  agents.addCommand(
    withCommon(new Command("logs"))
      .description("What an agent printed, and what became of it; with a server or without one.")
      .argument("<AGENT>")
      .option("-f, --follow", "then what comes, until Ctrl-C")
      .option("-n, --lines <NUMBER>", "the newest so many", LINES_DEFAULT)
      .action((name: string, _, command) => logs(name, command.optsWithGlobals())),
  );
  agents.addCommand(
    withCommon(new Command("reload"))
      .description("Have the server read its configuration file's agents again.")
      .action((_, command) => reload(command.optsWithGlobals())),
  );
  return agents;
}

const DESCRIPTIONS: Readonly<Record<AgentAction, string>> = {
  start: "Start agents that do not run, at once where one waits for its next try.",
  stop: "Stop agents, and all that they have started.",
  restart: "Stop agents and start them again; also ends a crash loop.",
};

function withCommon(command: Command): Command {
  return command
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option("--json", "print JSON");
}

async function agentsOf(api: ServerApi): Promise<AgentStatus[]> {
  return (await api.ask<AgentsAnswer>("GET", "/api/agents")).agents;
}

async function list({ dataDir, json }: Common): Promise<void> {
  const api = await ServerApi.find(dataDirOf(dataDir));
  const agents = await agentsOf(api);
  if (json) return console.log(JSON.stringify({ agents }));
  if (agents.length === 0) {
    console.error(
      "telebridge: no agent is declared in the server's configuration file; " +
        "telebridge agents --help shows how",
    );
    return;
  }
  for (const line of tableLines(agentColumns(Date.now()), agents)) console.log(line);
}

/** Returns the exit code: 1 where one of them did not get to where it was to. */
async function act(
  action: AgentAction,
  given: readonly string[],
  { dataDir, json, all = false }: Common & { all?: boolean },
): Promise<number> {
  if (all === (given.length > 0)) {
    throw new UserError(all ? "name agents or say --all, not both" : "name agents, or say --all");
  }
  const api = await ServerApi.find(dataDirOf(dataDir));
  const known = (await agentsOf(api)).map(({ name }) => name);
  const odd = given.find((name) => !known.includes(name));
  if (odd !== undefined) throw new NoSuchAgent(odd, known);
  const names = all ? known : [...new Set(given)];
  for (const name of names) {
    await api.ask("POST", `/api/agents/${encodeURIComponent(name)}/${action}`);
  }
  const agents = await settled(api, names);
  if (json) console.log(JSON.stringify({ agents }));
  else for (const agent of agents) console.log(outcomeLine(agent));
  return agents.every(({ state }) => state === REACHED[action]) ? 0 : 1;
}

/** Looks until none of them is on its way to another state. */
async function settled(api: ServerApi, names: readonly string[]): Promise<AgentStatus[]> {
  while (true) {
    const agents = (await agentsOf(api)).filter(({ name }) => names.includes(name));
    if (!agents.some(({ state }) => PASSING.has(state))) return agents;
    await pause(LOOK_EVERY_MS);
  }
}

function outcomeLine(agent: AgentStatus): string {
  const { name, state, pid } = agent;
  const note = printable(noteOf(agent, Date.now()));
  const about = pid !== null ? ` (process ${pid})` : note === "" ? "" : `: ${note}`;
  return `${name} ${state}${about}`;
}

async function logs(
  name: string,
  { dataDir, json = false, follow = false, lines }: Common & { follow?: boolean; lines: string },
): Promise<void> {
  if (!/^\d{1,9}$/.test(lines)) {
    throw new UserError(`--lines is "${lines}", expected a number of lines`);
  }
  using reader = openStoredRuns(dataDirOf(dataDir));
  if (reader.run(name) === null) {
    throw new UserError(
      `nothing is stored of an agent "${name}": it never started, or there is none; ` +
        "telebridge agents lists them",
    );
  }
  await printLogs(reader, name, { lines: Number(lines), follow, json });
}

async function reload({ dataDir, json }: Common): Promise<void> {
  const api = await ServerApi.find(dataDirOf(dataDir));
  const reloaded = await api.ask<Reloaded>("POST", "/api/agents/reload");
  if (json) return console.log(JSON.stringify(reloaded));
  const parts = Object.entries(reloaded).filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.join(", ")}`);
  console.log(parts.length === 0 ? "nothing has changed" : parts.join("\n"));
}
