/** `--data-dir`, the same for every command. */

import { resolve } from "node:path";
import { defaultDataDir } from "../core/data_dir.ts";

export const DATA_DIR_FLAG = "--data-dir <DIR>";
export const DATA_DIR_HELP = "where tokens, certificates and stored runs are kept " +
  "(default: $XDG_DATA_HOME/telebridge, else ~/.local/share/telebridge)";

/** By the flag, else the environment, else the user's default. */
export function dataDirOf(flag: string | undefined): string {
  const environment = Deno.env.toObject();
  return resolve(flag ?? (environment.TELEBRIDGE_DATA_DIR || defaultDataDir(environment)));
}
