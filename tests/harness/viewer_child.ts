/** What viewer_process.ts starts: `viewer_child.ts PLAN`, with a ViewerPlan as JSON. */

import type { Subscribe } from "../../proto/wire.ts";
import { type LaneKind, LiveClient, type Target } from "./live_client.ts";

interface ViewerPlan {
  target: Target;
  kind: LaneKind;
  run: string;
  settings: Partial<Subscribe>;
}

const { target, kind, run, settings }: ViewerPlan = JSON.parse(Deno.args[0]!);
const client = await LiveClient.open({ onEnd() {} }, target, kind);
client.subscribe(1, run, settings);
