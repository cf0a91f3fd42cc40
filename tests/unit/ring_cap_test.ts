import assert from "node:assert/strict";
import { RingCap, type ViewerSecond } from "../../core/ring_cap.ts";

const slow = (framesTaken: number): ViewerSecond => ({
  framesTaken,
  wasFull: true,
  stalled: false,
});
const stalled: ViewerSecond = { framesTaken: 0, wasFull: true, stalled: true };

function seconds(cap: RingCap, count: number, runHz: number, viewers: ViewerSecond[]): void {
  for (let second = 0; second < count; second++) cap.onSecond(runHz, viewers);
}

Deno.test("ring cap: a run that makes far more than anybody takes is capped after some seconds", () => {
  const cap = new RingCap();
  seconds(cap, 2, 100, [slow(10), slow(4)]);
  assert.equal(cap.capHz, null);
  assert(cap.onSecond(100, [slow(10), slow(4)]));
  assert.equal(cap.capHz, 20);
});

Deno.test("ring cap: not for one bad second, and not while one viewer follows", () => {
  const cap = new RingCap();
  for (let round = 0; round < 10; round++) {
    seconds(cap, 2, 100, [slow(10)]);
    seconds(cap, 1, 100, [slow(90)]);
  }
  seconds(cap, 10, 100, [slow(2), slow(60)]);
  seconds(cap, 10, 100, [slow(2), { framesTaken: 10, wasFull: false, stalled: false }]);
  assert.equal(cap.capHz, null);
});

Deno.test("ring cap: a stalled viewer decides nothing", () => {
  const cap = new RingCap();
  seconds(cap, 10, 100, [stalled]);
  seconds(cap, 10, 100, [stalled, slow(90)]);
  assert.equal(cap.capHz, null);
});

Deno.test("ring cap: it is probed upwards and released when viewers follow", () => {
  const cap = new RingCap();
  seconds(cap, 3, 100, [slow(10)]);
  const caps: (number | null)[] = [];
  for (let second = 0; second < 30 && cap.capHz !== null; second++) {
    if (cap.onSecond(cap.capHz, [slow(cap.capHz)])) caps.push(cap.capHz);
  }
  assert.deepEqual(caps, [30, 45, 67.5, null]);
});

Deno.test("ring cap: after each release that proves wrong the next probe waits longer", () => {
  const cap = new RingCap();
  const waits: number[] = [];
  for (let round = 0; round < 4; round++) {
    seconds(cap, 3, 100, [slow(10)]);
    let waited = 0;
    while (!cap.onSecond(20, [slow(20)])) waited++;
    waits.push(waited);
    while (cap.capHz !== null) cap.onSecond(cap.capHz, [slow(cap.capHz)]);
  }
  assert.deepEqual(waits, waits.toSorted((a, b) => a - b));
  assert(waits[3]! > waits[0]! * 4, `${waits}`);
});

Deno.test("ring cap: nobody watches: no cap", () => {
  const cap = new RingCap();
  seconds(cap, 3, 100, [slow(10)]);
  assert(cap.onSecond(20, []));
  assert.equal(cap.capHz, null);
});
