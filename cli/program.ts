/** The command line: `telebridge serve`, `telebridge run` and the others. */

import { Command, CommanderError } from "commander";
import { messageOf, UserError } from "../core/errors.ts";
import { StoreUnavailable } from "../core/storage/store.ts";
import { VERSION } from "../core/version.ts";
import { doctorCommand } from "./doctor_command.ts";
import { probeCommand } from "./doctor/probe.ts";
import { ingestCommand } from "./ingest_command.ts";
import { replayCommand } from "./replay_command.ts";
import { runCommand } from "./run_command.ts";
import { runsCommand } from "./runs_command.ts";
import { serveCommand } from "./serve_command.ts";
import { tokenCommand } from "./token_command.ts";

const USAGE_EXIT_CODE = 2;

/** Gives commands within commands what the program has. */
function settle(parent: Command): void {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent).helpOption("--help", "print this help").helpCommand(
      false,
    );
    settle(command);
  }
}

/** Runs one command line. Resolves to the exit code; what went wrong is on stderr then. */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command("telebridge")
    .description("Watch reinforcement-learning runs, simulators and agents live, in a browser.")
    .version(VERSION, "--version", "print the version")
    .helpOption("--help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .addHelpText("after", "\nStart with: telebridge serve --demo")
    .addCommand(serveCommand())
    .addCommand(ingestCommand(), { hidden: true })
    .addCommand(probeCommand(), { hidden: true })
    .addCommand(doctorCommand((code) => exitCode = code))
    .addCommand(replayCommand())
    .addCommand(runCommand((code) => exitCode = code))
    .addCommand(runsCommand())
    .addCommand(tokenCommand());
  settle(program);
  try {
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
