/** The Python client, as it is installed for the tests. */

import assert from "node:assert/strict";
import { ROOT } from "./box.ts";

/** Builds the wheel, and returns the Python that it is installed for. */
export function installedPython(): string {
  const run = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args, cwd: ROOT, stderr: "inherit" }).outputSync();
  assert(run("make", "--silent", "-C", "clients/python", "wheel").success, "the wheel");
  return new TextDecoder().decode(run("tools/python_venv.sh").stdout).trim();
}
