/** The configuration file of `serve`, and the settings that come of it, the environment and the flags. */

import type { Command } from "commander";
import { join, resolve } from "node:path";
import { readFileIfAny } from "../core/data_dir.ts";
import { UserError } from "../core/errors.ts";
import { resolveSettings, type Settings } from "../core/settings.ts";
import { givenFlags } from "./setting_options.ts";

export const CONFIG_FILE = "telebridge.toml";
export const CONFIG_FLAG = "--config <FILE>";
export const CONFIG_HELP = `TOML file (default: ${CONFIG_FILE} in the data directory)`;

/** Of a command that has some of the settings as flags, and `--config`. Throws {@link UserError}. */
export function settingsOf(command: Command, dataDir: string): Settings {
  const { config } = command.opts<{ config?: string }>();
  return resolveSettings({
    flags: givenFlags(command),
    environment: Deno.env.toObject(),
    file: readConfig(dataDir, config ?? Deno.env.get("TELEBRIDGE_CONFIG")),
  });
}

function readConfig(
  dataDir: string,
  given: string | undefined,
): { path: string; text: string } | null {
  const path = given === undefined ? join(dataDir, CONFIG_FILE) : resolve(given);
  const text = readFileIfAny(path);
  if (text !== null) return { path, text };
  if (given !== undefined) throw new UserError(`--config: there is no file ${path}`);
  return null;
}
