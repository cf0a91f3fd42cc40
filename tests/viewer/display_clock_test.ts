import assert from "node:assert/strict";
import { DisplayClock } from "../../viewer/display_clock.ts";
import { randomOf } from "../harness/random.ts";

interface Stamps {
  hz: number;
  frames: number;
  beginMs?: number;
  /** Each stamp is off by up to this much, either way. */
  jitterMs?: number;
  /** This share of frames is left out. */
  skipped?: number;
  seed?: number;
}

/** Feeds the stamps of a display; returns the moment of the frame after the last. */
function feed(clock: DisplayClock, stamps: Stamps): number {
  const { hz, frames, beginMs = 1_000, jitterMs = 0, skipped = 0, seed = 7 } = stamps;
  const random = randomOf(seed);
  for (let frame = 0; frame < frames; frame++) {
    const stampMs = beginMs + frame * 1_000 / hz + (random() * 2 - 1) * jitterMs;
    if (random() >= skipped) clock.addFrame(stampMs);
  }
  return beginMs + frames * 1_000 / hz;
}

/** How far a moment of the display is off the clock's idea of it. */
function phaseErrorMs(clock: DisplayClock, momentMs: number): number {
  const { phaseMs, periodMs } = clock.times!;
  const frames = (momentMs - phaseMs) / periodMs;
  return Math.abs(frames - Math.round(frames)) * periodMs;
}

for (const hz of [30, 50, 59.94, 60, 75, 120, 144, 240]) {
  Deno.test(`display clock: ${hz} Hz, exact stamps`, () => {
    const clock = new DisplayClock();
    const nextMs = feed(clock, { hz, frames: 120 });
    assert(Math.abs(clock.times!.periodMs - 1_000 / hz) < 1e-6);
    assert(phaseErrorMs(clock, nextMs) < 1e-6);
  });
}

for (const hz of [59.94, 60, 144]) {
  for (const seed of [1, 2, 3, 4, 5]) {
    Deno.test(`display clock: ${hz} Hz with jitter and skipped frames, seed ${seed}`, () => {
      const clock = new DisplayClock();
      const nextMs = feed(clock, { hz, frames: 240, jitterMs: 1, skipped: 0.3, seed });
      const { periodMs } = clock.times!;
      assert(Math.abs(periodMs - 1_000 / hz) < 0.01, `period ${periodMs}`);
      assert(phaseErrorMs(clock, nextMs) < 0.4, `phase off by ${phaseErrorMs(clock, nextMs)}`);
    });
  }
}

Deno.test("display clock: 59.94 Hz is told from 60", () => {
  const of = (hz: number) => {
    const clock = new DisplayClock();
    feed(clock, { hz, frames: 120, jitterMs: 0.3 });
    return clock.times!.periodMs;
  };
  assert(of(59.94) - of(60) > 0.01);
});

Deno.test("display clock: a few stamps that are far off change nothing", () => {
  const clock = new DisplayClock();
  for (let frame = 0; frame < 100; frame++) {
    clock.addFrame(frame * 10 + (frame % 20 === 7 ? 4 : 0));
  }
  assert(Math.abs(clock.times!.periodMs - 10) < 0.005);
  assert(phaseErrorMs(clock, 1_000) < 0.2);
});

Deno.test("display clock: the window moves to a display of another rate", () => {
  const clock = new DisplayClock();
  const movedAtMs = feed(clock, { hz: 60, frames: 120, jitterMs: 0.5 });
  const nextMs = feed(clock, { hz: 144, frames: 60, beginMs: movedAtMs, jitterMs: 0.5 });
  assert(Math.abs(clock.times!.periodMs - 1_000 / 144) < 0.05, `${clock.times!.periodMs}`);
  assert(phaseErrorMs(clock, nextMs) < 0.5);
  feed(clock, { hz: 60, frames: 60, beginMs: nextMs, jitterMs: 0.5 });
  assert(Math.abs(clock.times!.periodMs - 1_000 / 60) < 0.05, `${clock.times!.periodMs}`);
});

Deno.test("display clock: after a pause the old figures stay until enough frames have come", () => {
  const clock = new DisplayClock();
  feed(clock, { hz: 60, frames: 60 });
  const before = clock.times!;
  feed(clock, { hz: 60, frames: 5, beginMs: 60_003 });
  assert.deepEqual(clock.times, before);
  const nextMs = feed(clock, { hz: 60, frames: 30, beginMs: 120_003 });
  assert(phaseErrorMs(clock, nextMs) < 1e-6);
});

Deno.test("display clock: two stamps of one frame are one, and what is no rhythm has no period", () => {
  const clock = new DisplayClock();
  for (let frame = 0; frame < 60; frame++) {
    clock.addFrame(frame * 20);
    clock.addFrame(frame * 20 + 0.1);
  }
  assert(Math.abs(clock.times!.periodMs - 20) < 1e-6);
  const none = new DisplayClock();
  const random = randomOf(3);
  for (let atMs = 0; atMs < 3_000; atMs += 1 + random() * 60) none.addFrame(atMs);
  assert.equal(none.times, null);
  assert.equal(new DisplayClock().times, null);
});
