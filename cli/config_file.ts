/** The configuration file of `serve`: its agents, and the settings that come of it, the environment and the flags. */

import type { Command } from "commander";
import { resolve } from "node:path";
import { checkNobodyElseWrites, readFileIfAny } from "../core/data_dir.ts";
import { UserError } from "../core/errors.ts";
import { type AgentConfig, parseAgents } from "../core/agents/config.ts";
import { AGENTS_KEY, parseConfigFile, resolveSettings, type Settings } from "../core/settings.ts";
import { givenFlags } from "./setting_options.ts";

export const CONFIG_FILE = "telebridge.toml";
export const CONFIG_FLAG = "--config <FILE>";
export const CONFIG_HELP = `TOML file (default: ${CONFIG_FILE} in the data directory)`;

/** What a command that has some of the settings as flags, and `--config`, shall do. */
export interface Config {
  settings: Settings;
  agents: AgentConfig[];
}

/** Throws {@link UserError}. */
export function configOf(command: Command, dataDir: string): Config {
  const file = readConfig(command, dataDir);
  const environment = Deno.env.toObject();
  const settings = resolveSettings({ flags: givenFlags(command), environment, file });
  if (file === null) return { settings, agents: [] };
  const agents = parseAgents(parseConfigFile(file)[AGENTS_KEY], file.path);
  if (agents.length > 0) checkNobodyElseWrites(file.path);
  return { settings, agents };
}

function readConfig(command: Command, dataDir: string): { path: string; text: string } | null {
  const given = command.opts<{ config?: string }>().config ?? Deno.env.get("TELEBRIDGE_CONFIG");
  const path = given === undefined ? resolve(dataDir, CONFIG_FILE) : resolve(given);
  const text = readFileIfAny(path);
  if (text !== null) return { path, text };
  if (given !== undefined) throw new UserError(`--config: there is no file ${path}`);
  return null;
}
