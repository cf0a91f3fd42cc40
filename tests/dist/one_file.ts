/** The one file that these tests are about. */

import assert from "node:assert/strict";
import { ROOT } from "../harness/box.ts";

/** Quick to make, and unpacked by the same code as one of `make dist`. */
const QUICK = "dist/tests/telebridge";

/** The file's last bytes (docs/dist.md). */
const MAGIC = "TELEDIST";

let made: string | null = null;

/** Its path: ONE_FILE names one to test, of either kind; else it is made once, as the bundle that needs no download. */
export function oneFile(): string {
  const given = Deno.env.get("ONE_FILE");
  if (given) return Deno.realPathSync(given);
  made ??= build();
  return made;
}

/** Whether it is ours to take apart: the compiled kind is Deno's. */
export function isBundle(): boolean {
  return Deno.readFileSync(oneFile()).subarray(-MAGIC.length).toString() ===
    new TextEncoder().encode(MAGIC).toString();
}

function build(): string {
  const { success } = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--quiet", "tools/dist.ts"],
      ...["--kind", "bundle", "--level", "1", "--output", QUICK],
    ],
    cwd: ROOT,
    stderr: "inherit",
  }).outputSync();
  assert(success, "tools/dist.ts");
  return ROOT + QUICK;
}
