/** A viewer in a process of its own, to be killed: `viewer_child.ts PLAN`, with a ViewerPlan as JSON. */

import { type LaneKind, LiveClient, type Target } from "./live_client.ts";

interface ViewerPlan {
  target: Target;
  kind: LaneKind;
  run: string;
}

const { target, kind, run }: ViewerPlan = JSON.parse(Deno.args[0]!);
const client = await LiveClient.open({ onEnd() {} }, target, kind);
client.subscribe(1, run);
