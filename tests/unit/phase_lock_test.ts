import fc from "fast-check";
import assert from "node:assert/strict";
import { nextOf, PhaseLock, type PhaseQuestion } from "../../core/phase_lock.ts";

const NS_PER_MS = 1e6;
const PERIOD_MS = 1000 / 60;
const NOW_NS = 1000 * NS_PER_MS;
const FAST: PhaseQuestion = { runHz: 240, fpsMax: 0, stayLive: true };

const display = (phaseMs: number, leadMs = 6) => ({ phaseMs, periodMs: PERIOD_MS, leadMs });

Deno.test("phase lock: frames are sampled a lead before the display's moment", () => {
  const grid = new PhaseLock().follow(display(1000), FAST, NOW_NS)!;
  assert.equal(grid.phaseNs, 994 * NS_PER_MS);
  assert.equal(grid.periodNs, PERIOD_MS * NS_PER_MS);
});

Deno.test("phase lock: reports that jitter do not move the grid", () => {
  const lock = new PhaseLock();
  const first = lock.follow(display(1000), FAST, NOW_NS)!;
  for (let report = 1; report < 100; report++) {
    const jitterMs = Math.random() * 1.2 - 0.6;
    const atMs = 1000 + report * 60 * PERIOD_MS;
    lock.follow(display(atMs + jitterMs), FAST, atMs * NS_PER_MS);
    assert.equal(lock.grid, first);
  }
});

Deno.test("phase lock: a longer lead counts at once, a shorter one when it lasts", () => {
  const lock = new PhaseLock();
  const off = () => lock.grid!.phaseNs / NS_PER_MS;
  lock.follow(display(1000, 6), FAST, NOW_NS);
  lock.follow(display(1000, 9), FAST, NOW_NS);
  assert.equal(off(), 991);
  for (const leadMs of [5, 4, 5, 5]) {
    lock.follow(display(1000, leadMs), FAST, NOW_NS);
    assert.equal(off(), 991);
  }
  lock.follow(display(1000, 5), FAST, NOW_NS);
  assert.equal(off(), 995, "the most careful of the last five");
});

const useless: [string, Partial<PhaseQuestion>][] = [
  ["a run that is slower than the display", { runHz: 30 }],
  ["a run of the display's own rate", { runHz: 60 }],
  ["frames in order", { stayLive: false }],
  ["a cap far below the display's rate", { fpsMax: 10 }],
];
for (const [what, change] of useless) {
  Deno.test(`phase lock: none for ${what}`, () => {
    const lock = new PhaseLock();
    lock.follow(display(1000), FAST, NOW_NS);
    assert.equal(lock.follow(display(1000), { ...FAST, ...change }, NOW_NS), null);
  });
}

Deno.test("phase lock: none for a display that has said nothing for long", () => {
  const lock = new PhaseLock();
  assert(lock.follow(display(1000), FAST, NOW_NS + 5e9));
  assert.equal(lock.follow(display(1000), FAST, NOW_NS + 11e9), null);
  assert.equal(lock.follow(display(1e13), FAST, NOW_NS), null);
});

Deno.test("phase lock: period 0 takes it back", () => {
  const lock = new PhaseLock();
  lock.follow(display(1000), FAST, NOW_NS);
  assert.equal(lock.follow({ phaseMs: 0, periodMs: 0, leadMs: 0 }, FAST, NOW_NS), null);
});

Deno.test("phase lock: a run at about the rate that it takes does not go in and out", () => {
  const lock = new PhaseLock();
  assert.equal(lock.follow(display(1000), { ...FAST, runHz: 80 }, NOW_NS), null);
  assert(lock.follow(display(1000), { ...FAST, runHz: 90 }, NOW_NS));
  assert(lock.follow(display(1000), { ...FAST, runHz: 80 }, NOW_NS));
});

Deno.test("phase lock: the next moment is the first that has not passed", () => {
  const ns = fc.integer({ min: 0, max: 1e15 });
  fc.assert(fc.property(ns, ns, fc.integer({ min: 1e6, max: 1e9 }), (phaseNs, nowNs, periodNs) => {
    const next = nextOf({ phaseNs, periodNs }, nowNs);
    assert(next >= nowNs && next - nowNs < periodNs);
    assert(Number.isInteger((next - phaseNs) / periodNs));
  }));
});
