/** A word where a command within a command is to stand. */

import type { Command } from "commander";
import { UserError } from "../core/errors.ts";
import { nearNames } from "../core/near_names.ts";

/** `more` is said where no command is like it. */
export function unknownCommand(given: string, group: Command, more = ""): UserError {
  const names = group.commands.map((command) => command.name());
  const near = nearNames(given, names);
  const hint = near.length > 0
    ? `did you mean ${group.name()} ${near[0]}?`
    : `there are ${names.join(", ")}${more}`;
  return new UserError(`there is no command "${group.name()} ${given}"; ${hint}`);
}
