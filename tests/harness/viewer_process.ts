/** A viewer in a process of its own, to be stopped or killed in mid-session. */

import type { Subscribe } from "../../proto/wire.ts";
import { ROOT } from "./box.ts";
import type { LaneKind } from "./live_client.ts";
import type { Serve } from "./serve.ts";

/** Starts one that watches `run` as a {@link import("./live_client.ts").LiveClient} does. */
export function startViewer(
  { origin, ready: { token } }: Serve,
  kind: LaneKind,
  run: string,
  settings: Partial<Subscribe> = {},
): Deno.ChildProcess {
  const plan = { target: { origin, ready: { token } }, kind, run, settings };
  const script = `${ROOT}tests/harness/viewer_child.ts`;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", script, JSON.stringify(plan)],
    stdin: "null",
  }).spawn();
}
