/** `telebridge token`: the URL again. */

import { Command } from "commander";
import { findServer, readFileIfAny } from "../core/data_dir.ts";
import { UserError } from "../core/errors.ts";
import { controlTokenPath, loadToken, viewTokenPath } from "../core/tokens.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { withToken } from "./serve_command.ts";

export function tokenCommand(): Command {
  return new Command("token")
    .description("Print the URL of the running server with its token, or the token alone.")
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option("--view", "the one that can watch but not touch")
    .addHelpText("after", "\nExample:\n  xdg-open $(telebridge token)")
    .action(printToken);
}

async function printToken(options: { dataDir?: string; view?: boolean }): Promise<void> {
  const dataDir = dataDirOf(options.dataDir);
  const path = options.view ? viewTokenPath(dataDir) : controlTokenPath(dataDir);
  if (readFileIfAny(path) === null) {
    const start = options.view ? "telebridge serve --view-token" : "telebridge serve";
    throw new UserError(`there is no token in ${dataDir} yet; ${start} makes it`);
  }
  const token = loadToken(path);
  const info = await findServer(dataDir);
  console.log(info === null ? token : withToken(info.url, token));
}
