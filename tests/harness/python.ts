/** The Python client, as it is installed for the tests. */

import assert from "node:assert/strict";
import { ROOT } from "./box.ts";

/** Builds the wheel, and returns the Python that it is installed for. Other tests may do so at the same time. */
export function installedPython(): string {
  const run = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args, cwd: ROOT, stderr: "inherit" }).outputSync();
  const wheel = ["make", "--silent", "--no-print-directory", "-C", "clients/python", "wheel"];
  assert(run("flock", "clients/python/Makefile", ...wheel).success, "the wheel");
  const { success, stdout } = run("tools/python_venv.sh");
  assert(success, "the Python that the wheel is installed for");
  return new TextDecoder().decode(stdout).trim();
}
