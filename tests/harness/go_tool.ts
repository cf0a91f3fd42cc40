/** Somebody else's programs that Go builds, for tests that talk with them. */

import assert from "node:assert/strict";
import { ROOT } from "./box.ts";

const NOT_TO_BE_HAD_EXIT_CODE = 3;

/** The path of what `tools/SCRIPT` builds; null, and said so, where it cannot be had. `what` is not shown then. */
export function goTool(script: string, what: string): string | null {
  const { code, success, stdout, stderr } = new Deno.Command(`tools/${script}`, { cwd: ROOT })
    .outputSync();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code === NOT_TO_BE_HAD_EXIT_CODE) {
    console.log(`SKIP: ${what}: ${decode(stderr)}`);
    return null;
  }
  assert(success, decode(stderr));
  return decode(stdout);
}
