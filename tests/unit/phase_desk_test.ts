import assert from "node:assert/strict";
import { LeftFrames } from "../../core/left_frames.ts";
import { PhaseDesk } from "../../core/phase_desk.ts";
import { Subscription } from "../../core/subscription.ts";
import type { LaneKind } from "../../proto/wire.ts";
import { MemoryLane } from "../harness/memory_lane.ts";

const NS_PER_MS = 1e6;
const PERIOD_MS = 1000 / 60;
const NOW_NS = 1000 * NS_PER_MS;
const RUN_HZ = 240;

function viewer(kind: LaneKind, phaseMs: number | null): Subscription {
  const settings = { fpsMax: 0, everyNth: 1, stayLive: true, lane: "auto", accepts: [] } as const;
  const left = new LeftFrames(() => {});
  const subscription = new Subscription(new MemoryLane(), left, 1, settings);
  subscription.lane = { kind, why: "" };
  subscription.display = phaseMs === null ? null : { phaseMs, periodMs: PERIOD_MS, leadMs: 0 };
  return subscription;
}

Deno.test("phase desk: who has control leads, else who came first and told of a display", () => {
  const desk = new PhaseDesk();
  const viewers = [viewer("h264", null), viewer("jpeg", 1001), viewer("h264", 1002)];
  desk.follow(viewers, null, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, viewers[1]);
  assert.equal(desk.gridFor(false)!.phaseNs, 1001 * NS_PER_MS);
  desk.follow(viewers, viewers[2]!, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, viewers[2]);
  desk.follow(viewers, viewers[0]!, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, viewers[1], "control without a display leads nothing");
});

Deno.test("phase desk: a raw viewer leads itself when it is alone", () => {
  const desk = new PhaseDesk();
  const raw = viewer("raw", 1003);
  desk.follow([raw], null, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, raw);
  assert.equal(desk.gridFor(false), null, "there is no stream to be told");
  raw.pacer.sent(1, NOW_NS);
  const due = raw.pacer.dueNs;
  const periodNs = PERIOD_MS * NS_PER_MS;
  assert(due > NOW_NS && due <= NOW_NS + 1.25 * periodNs);
  const turns = (due - 1003 * NS_PER_MS) / periodNs;
  assert(Math.abs(turns - Math.round(turns)) < 1e-6, "off the grid");
  const other = viewer("raw", 1004);
  desk.follow([raw, other], null, RUN_HZ, NOW_NS);
  assert.deepEqual([desk.leader, raw.pacer.dueNs], [null, 0]);
  desk.follow([raw, viewer("h264", null)], null, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, null);
});

Deno.test("phase desk: a run that is slower than the display is not locked, nor every n-th frame of one", () => {
  const desk = new PhaseDesk();
  const one = viewer("h264", 1000);
  desk.follow([one], null, 30, NOW_NS);
  assert.equal(desk.leader, null);
  desk.follow([one], null, 120, NOW_NS);
  assert.equal(desk.leader, one);
  one.configure({ ...one.settings, everyNth: 4 });
  desk.follow([one], null, 120, NOW_NS);
  assert.equal(desk.leader, null);
});

Deno.test("phase desk: a display that has fallen silent gives the lead to the next", () => {
  const desk = new PhaseDesk();
  const viewers = [viewer("h264", 1000), viewer("h264", 12_000)];
  desk.follow(viewers, null, RUN_HZ, 5_000 * NS_PER_MS);
  assert.equal(desk.leader, viewers[0]);
  desk.follow(viewers, null, RUN_HZ, 12_000 * NS_PER_MS);
  assert.equal(desk.leader, viewers[1]);
});

Deno.test("phase desk: a slow display leads no quicker one, and one that no display can be leads nobody", () => {
  const desk = new PhaseDesk();
  const viewers = [viewer("h264", 1000), viewer("h264", 1001)];
  viewers[0]!.display!.periodMs = 2 * PERIOD_MS;
  desk.follow(viewers, null, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, viewers[1]);
  desk.follow(viewers, viewers[0]!, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, viewers[0], "who has control has the say");
  viewers[0]!.display!.periodMs = 1000;
  desk.follow([viewers[0]!], viewers[0]!, RUN_HZ, NOW_NS);
  assert.equal(desk.leader, null, "one frame a second");
});
