/** What may stand where on the command line, as the program itself has it: completions are made of nothing else. */

import type { Argument, Command, Option } from "commander";
import { settingChoices } from "../setting_options.ts";

/** What a value may be. */
export type Values =
  | { kind: "words"; words: readonly string[] }
  | { kind: "runs" | "agents" | "file" | "folder" | "command" | "any" };

export interface OptionWords {
  /** "--port", and its short form where it has one. */
  names: readonly string[];
  description: string;
  /** null: it takes none. */
  values: Values | null;
}

/** A command, or a command of one. */
export interface CommandWords {
  /** "telebridge runs show" */
  path: string;
  name: string;
  description: string;
  commands: readonly CommandWords[];
  options: readonly OptionWords[];
  /** What stands after it without a flag; the last may be repeated. */
  arguments: readonly Values[];
}

/** Value names of the help, and what they stand for. */
const VALUES: Readonly<Record<string, Values["kind"]>> = {
  FILE: "file",
  DIR: "folder",
  RUN: "runs",
  AGENT: "agents",
  CMD: "command",
};

/** Hidden commands and options are nobody's to type. */
export function grammarOf(command: Command, above = ""): CommandWords {
  const path = `${above}${command.name()}`;
  const help = command.createHelp();
  return {
    path,
    name: command.name(),
    description: sentence(help.subcommandDescription(command)),
    commands: help.visibleCommands(command).map((inner) => grammarOf(inner, `${path} `)),
    options: [...help.visibleOptions(command)].map(optionWords),
    arguments: command.registeredArguments.map(argumentValues),
  };
}

/** All of them, the outer before the inner. */
export function* commandsOf(grammar: CommandWords): Generator<CommandWords> {
  yield grammar;
  for (const inner of grammar.commands) yield* commandsOf(inner);
}

function optionWords(option: Option): OptionWords {
  const placeholder = /[<[]([A-Z]+)/.exec(option.flags)?.[1] ?? "";
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: sentence(option.description),
    values: option.isBoolean()
      ? null
      : valuesOf(placeholder, option.argChoices ?? settingChoices(option)),
  };
}

function argumentValues(argument: Argument): Values {
  return valuesOf(argument.name(), argument.argChoices);
}

function valuesOf(placeholder: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return { kind: "words", words: choices };
  const kind = VALUES[placeholder.replace(/\.+$/, "")] ?? "any";
  return kind === "words" ? { kind: "any" } : { kind };
}

/** Its first, without what only the whole help has room for. */
function sentence(description: string): string {
  return description.split("\n")[0]!.replace(/ \(default: .*\)$/, "").replace(/\.$/, "");
}
