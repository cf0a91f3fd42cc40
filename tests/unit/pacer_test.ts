import fc from "fast-check";
import assert from "node:assert/strict";
import { FRAMES_IN_FLIGHT_MAX, Pacer, type PacerSettings } from "../../core/pacer.ts";

const NS_PER_S = 1e9;
const LIVE: PacerSettings = { fpsMax: 0, everyNth: 1, stayLive: true };

/** Plays a run of `rateHz` with `jitter` (a share of the interval) for 10 s to a viewer that acks at once. */
function play(settings: PacerSettings, rateHz: number, jitter: () => number) {
  const pacer = new Pacer(settings);
  const sentNs: number[] = [];
  for (let frame = 1; frame <= rateHz * 10; frame++) {
    const nowNs = (frame + jitter()) * NS_PER_S / rateHz;
    if (frame <= pacer.afterFrame || nowNs < pacer.dueNs) continue;
    pacer.sent(frame, nowNs);
    pacer.acked(frame);
    sentNs.push(nowNs);
  }
  return { pacer, sentNs };
}

Deno.test("pacer: without a cap every frame goes", () => {
  assert.equal(play(LIVE, 60, () => 0).sentNs.length, 600);
});

Deno.test("pacer: a run at the cap's own rate passes whole, jitter and all", () => {
  for (const rateHz of [30, 60, 120]) {
    const { sentNs } = play({ ...LIVE, fpsMax: rateHz }, rateHz, () => Math.random() * 0.2);
    assert.equal(sentNs.length, rateHz * 10);
  }
});

Deno.test("pacer: a cap holds over every second, whatever the run does", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 240 }),
    fc.integer({ min: 1, max: 120 }),
    fc.infiniteStream(fc.double({ min: 0, max: 0.9, noNaN: true })),
    (rateHz, fpsMax, jitters) => {
      const { sentNs } = play({ ...LIVE, fpsMax }, rateHz, () => jitters.next().value as number);
      let first = 0;
      for (let last = 0; last < sentNs.length; last++) {
        while (sentNs[last]! - sentNs[first]! >= NS_PER_S) first++;
        assert(last - first + 1 <= fpsMax + 2, `${last - first + 1} frames in a second`);
      }
    },
  ));
});

Deno.test("pacer: a run of twice the cap gives half its frames, evenly", () => {
  const { sentNs, pacer } = play({ ...LIVE, fpsMax: 30 }, 60, () => 0);
  assert(Math.abs(sentNs.length - 300) <= 1, `${sentNs.length}`);
  assert.equal(pacer.framesSkipped, pacer.lastFrame - sentNs.length);
});

Deno.test("pacer: every n-th frame goes", () => {
  const { pacer, sentNs } = play({ ...LIVE, everyNth: 3 }, 60, () => 0);
  assert.equal(sentNs.length, 200);
  assert.equal(pacer.framesSkipped, 199 * 2);
});

Deno.test("pacer: three frames are on their way at most, and an ack covers all before", () => {
  const pacer = new Pacer(LIVE);
  for (let frame = 1; frame <= FRAMES_IN_FLIGHT_MAX; frame++) {
    assert(!pacer.full);
    pacer.sent(frame, frame);
  }
  assert(pacer.full);
  assert.equal(pacer.acked(2), 2, "when frame 2 was sent");
  assert(!pacer.full);
  assert.equal(pacer.acked(2), null, "repeated");
  assert.equal(pacer.acked(99), null, "never sent");
  pacer.sent(4, 4);
  pacer.sent(5, 5);
  assert(pacer.full);
});

Deno.test("pacer: when the run starts anew its frames count from 1 again", () => {
  const pacer = new Pacer({ ...LIVE, fpsMax: 1 });
  for (const frame of [500, 501, 502]) pacer.sent(frame, 0);
  pacer.restart();
  assert(!pacer.full);
  assert.equal(pacer.afterFrame, 0);
  assert(pacer.dueNs <= 0);
});

Deno.test("pacer: a raised cap takes effect at once", () => {
  const pacer = new Pacer({ ...LIVE, fpsMax: 0.1 });
  pacer.sent(1, NS_PER_S);
  assert(pacer.dueNs > 5 * NS_PER_S);
  pacer.settings = { ...LIVE, fpsMax: 60 };
  assert(pacer.dueNs <= NS_PER_S);
});

Deno.test("pacer: frames that are sent again behind a newer one are covered by its ack", () => {
  const pacer = new Pacer(LIVE);
  pacer.inFlightMax = 6;
  for (const frame of [1, 2, 3]) pacer.sent(frame, 0);
  pacer.acked(3);
  // A keyframe of an encoding producer, and those that follow it: the viewer has drawn them already.
  for (const frame of [1, 2, 3, 1, 2, 3]) pacer.sent(frame, 1);
  assert(pacer.full);
  assert.equal(pacer.lastFrame, 3);
  pacer.sent(1, 2);
  assert.equal(pacer.acked(3), 2);
  assert(!pacer.full);
  assert.equal(pacer.framesSkipped, 0);
});
