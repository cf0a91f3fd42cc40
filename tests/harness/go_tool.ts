/** Somebody else's programs that Go builds, for tests that talk with them. */

import assert from "node:assert/strict";
import { ROOT } from "./box.ts";

const NOT_TO_BE_HAD_EXIT_CODE = 3;

/** The path of one of those that tools/go_tool.sh builds; null, and said so, where it cannot be had. `what` is not shown then. */
export function goTool(name: "grpcurl" | "go2rtc", what: string): string | null {
  const command = new Deno.Command("tools/go_tool.sh", { args: [name], cwd: ROOT });
  const { code, success, stdout, stderr } = command.outputSync();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code === NOT_TO_BE_HAD_EXIT_CODE) {
    console.log(`SKIP: ${what}: ${decode(stderr)}`);
    return null;
  }
  assert(success, decode(stderr));
  return decode(stdout);
}
