/** The command line: `telebridge serve`, `telebridge run` and the others. */

import { Command, CommanderError } from "commander";
import { kind, settleIn } from "../core/assets.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { StoreUnavailable } from "../core/storage/store.ts";
import { VERSION } from "../core/version.ts";
import { AGENT, agentCommand, becomeAgent } from "./agent_command.ts";
import { agentsCommand } from "./agents_command.ts";
import { agentNamesCommand, completionsCommand, runNamesCommand } from "./completions_command.ts";
import { doctorCommand } from "./doctor_command.ts";
import { probeCommand } from "./doctor/probe.ts";
import { go2rtcConfigCommand } from "./go2rtc_config_command.ts";
import { ingestCommand } from "./ingest_command.ts";
import { licencesCommand } from "./licences_command.ts";
import { mpegtsCommand } from "./mpegts_command.ts";
import { replayCommand } from "./replay_command.ts";
import { runCommand } from "./run_command.ts";
import { runsCommand } from "./runs_command.ts";
import { serveCommand } from "./serve_command.ts";
import { serviceCommand } from "./service_command.ts";
import { tokenCommand } from "./token_command.ts";

const USAGE_EXIT_CODE = 2;

/** With what helps to know about a copy that somebody else made. */
function versionLine(): string {
  const { arch, os } = Deno.build;
  return `telebridge ${VERSION} (${kind}, Deno ${Deno.version.deno}, ${arch}-${os})`;
}

const EXAMPLES = `
Examples:
  telebridge serve --demo                      something to look at, at once
  telebridge doctor                            what this box can do, and what to change
  telebridge run my-job -- python train.py     any command, recorded
  telebridge replay my-job | jq .              and what it said
  telebridge COMMAND --help                    its options, with examples
`;

/** Gives commands within commands what the program has. */
function settle(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent).helpOption("--help", "print this help").helpCommand(
      false,
    );
    settle(command);
  }
}

/** The program with all its commands. `onExitCode` is told of a code that is not 0 without an error. */
export function programOf(onExitCode: (code: number) => void): Command {
  const program = new Command("telebridge")
    .description("Watch reinforcement-learning runs, simulators and agents live, in a browser.")
    .version(versionLine(), "--version", "print the version and how it was packed")
    .helpOption("--help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .addHelpText("after", EXAMPLES)
    .addCommand(ingestCommand(), { hidden: true })
    .addCommand(probeCommand(), { hidden: true })
    .addCommand(runNamesCommand(), { hidden: true })
    .addCommand(agentNamesCommand(), { hidden: true })
    .commandsGroup("To watch:")
    .addCommand(serveCommand())
    .addCommand(tokenCommand())
    .addCommand(serviceCommand(onExitCode))
    .addCommand(agentsCommand(onExitCode))
    .commandsGroup("To record, and to look back:")
    .addCommand(runCommand(onExitCode))
    .addCommand(runsCommand())
    .addCommand(replayCommand())
    .commandsGroup("To make video, and to hand it on:")
    .addCommand(agentCommand())
    .addCommand(mpegtsCommand(onExitCode))
    .addCommand(go2rtcConfigCommand())
    .commandsGroup("About this box and this shell:")
    .addCommand(doctorCommand(onExitCode))
    .addCommand(completionsCommand())
    .addCommand(licencesCommand());
  settle(program);
  return program;
}

/** Runs one command line. Resolves to the exit code; what went wrong is on stderr then. */
export async function main(args: readonly string[]): Promise<number> {
  settleIn();
  let exitCode = 0;
  const program = programOf((code) => exitCode = code);
  try {
    if (args[0] === AGENT) await becomeAgent(args.slice(1));
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has printed its own complaints and the help by now.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
    if (!(error instanceof UserError || error instanceof StoreUnavailable)) throw error;
    console.error(`telebridge: ${messageOf(error)}`);
    return 1;
  }
}
