/** The table of settings as flags of the command line. */

import { type Command, Option } from "commander";
import {
  environmentNameOf,
  flagOf,
  SETTING_ROWS,
  type SettingKey,
  type SettingSources,
} from "../core/settings.ts";

const allKeys = Object.keys(SETTING_ROWS) as SettingKey[];

const choices = new WeakMap<Option, readonly string[]>();

/** What the value of a setting may be, for completions: it is checked with what comes from other places. */
export function settingChoices(option: Option): readonly string[] | undefined {
  return choices.get(option);
}

function collect(name: string, names: string[] | undefined): string[] {
  return [...(names ?? []), name];
}

/** Adds a flag for each setting, or for some of them. */
export function addSettingOptions(command: Command, keys: readonly SettingKey[] = allKeys): void {
  for (const key of keys) {
    const row: { file: string; placeholder?: string; help: string } = SETTING_ROWS[key];
    const flag = row.placeholder === undefined
      ? flagOf(key)
      : `${flagOf(key)} <${row.placeholder}>`;
    const option = new Option(flag, row.help);
    const { schema } = SETTING_ROWS[key];
    if (schema.type === "array") option.argParser(collect);
    if (schema.type === "picklist") choices.set(option, schema.options);
    command.addOption(option);
    if (SETTING_ROWS[key].schema.type === "boolean") {
      // For a switch that is on in the environment or the file.
      command.addOption(new Option(`--no-${row.file}`, `not ${flagOf(key)}`).hideHelp());
    }
  }
}

/** What was given on the command line. */
export function givenFlags(command: Command): SettingSources["flags"] {
  const flags: SettingSources["flags"] = {};
  const options = command.opts();
  for (const key of allKeys) {
    const name = new Option(flagOf(key)).attributeName();
    if (options[name] !== undefined) flags[key] = options[name];
  }
  return flags;
}

/** For `--help`: each flag's twin in the environment. */
export function environmentHelp(): string {
  const lines = allKeys.map((key) => `  ${flagOf(key).padEnd(16)} ${environmentNameOf(key)}`);
  return [
    "Environment (a flag wins over its variable, a variable over the file; --no-demo turns --demo off, and so on):",
    ...lines,
    `  ${"--data-dir".padEnd(16)} TELEBRIDGE_DATA_DIR`,
    `  ${"--config".padEnd(16)} TELEBRIDGE_CONFIG`,
    `  ${"".padEnd(16)} TELEBRIDGE_RUNTIME_DIR: directory of the sockets, the same for workers`,
  ].join("\n");
}

/** The same, as arguments of another command line. */
export function givenArguments(command: Command): string[] {
  return Object.entries(givenFlags(command)).flatMap(([key, value]) => {
    const { file } = SETTING_ROWS[key as SettingKey];
    if (value === true) return [`--${file}`];
    if (value === false) return [`--no-${file}`];
    return [value].flat().flatMap((one) => [`--${file}`, String(one)]);
  });
}

/** Of the environment what `serve` and its workers read, for a process that will not have it. */
export function settingVariables(
  environment: Readonly<Record<string, string>>,
): Record<string, string> {
  const names = [
    ...allKeys.map(environmentNameOf),
    "TELEBRIDGE_CONFIG",
    "TELEBRIDGE_RUNTIME_DIR",
  ];
  return Object.fromEntries(
    names.filter((name) => environment[name]).map((name) => [name, environment[name]!]),
  );
}
