/** `telebridge completions`: what a shell needs to complete our command lines, made of the program itself. */

import { Argument, Command } from "commander";
import { databasePath, openReader } from "../core/storage/open.ts";
import { bashScript } from "./completions/bash.ts";
import { fishScript } from "./completions/fish.ts";
import { type CommandWords, grammarOf } from "./completions/grammar.ts";
import { zshScript } from "./completions/zsh.ts";
import { CONFIG_FLAG, CONFIG_HELP, configOf } from "./config_file.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { allRuns } from "./stored_runs.ts";

/** The newest: a list of more helps nobody who types. */
const RUN_NAMES_MAX = 500;

const SCRIPTS: Readonly<Record<string, (grammar: CommandWords) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

const EXAMPLES = `
So that they always are those of this very version, the shell makes them anew when it starts:
  source <(telebridge completions bash)        in ~/.bashrc
  source <(telebridge completions zsh)         in ~/.zshrc, after compinit
  telebridge completions fish | source         in ~/.config/fish/config.fish
`;

export function completionsCommand(): Command {
  return new Command("completions")
    .description("Print what completes these commands, options and runs in a shell.")
    .addArgument(new Argument("<SHELL>").choices(Object.keys(SCRIPTS)))
    .addHelpText("after", EXAMPLES)
    .action((shell: string, _, command: Command) => {
      Deno.stdout.writeSync(new TextEncoder().encode(SCRIPTS[shell]!(grammarOf(command.parent!))));
    });
}

/** What the shells' scripts ask. */
export function agentNamesCommand(): Command {
  const command = new Command("agent-names")
    .description("Asked by completions: the agents of the configuration file.")
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP);
  return command.action(({ dataDir }: { dataDir?: string }) => {
    for (const { name } of configOf(command, dataDirOf(dataDir)).agents) console.log(name);
  });
}

/** What the shells' scripts ask; quiet where nothing is stored. */
export function runNamesCommand(): Command {
  return new Command("run-names")
    .description("Asked by completions: the ids of stored runs, newest first.")
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .action(({ dataDir }: { dataDir?: string }) => {
      using reader = openReader(databasePath(dataDirOf(dataDir)));
      if (reader === null) return;
      for (const { runId } of allRuns(reader).take(RUN_NAMES_MAX)) console.log(runId);
    });
}
