/** `telebridge licences`: ours, and those of all that is inside. */

import { Command } from "commander";
import { locateAssets } from "../core/assets.ts";
import { readFileIfAny } from "../core/data_dir.ts";
import { UserError } from "../core/errors.ts";

export function licencesCommand(): Command {
  return new Command("licences")
    .description("Print the licence, and those of the software of others that is inside.")
    .action(() => {
      const { licencePath, noticesPath } = locateAssets();
      console.log(readFileIfAny(licencePath));
      const notices = readFileIfAny(noticesPath);
      if (notices === null) {
        throw new UserError(`${noticesPath} is missing: make notices writes it`);
      }
      console.log(notices);
    });
}
