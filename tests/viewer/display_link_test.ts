import assert from "node:assert/strict";
import type { Display } from "../../proto/wire.ts";
import { ServerClock } from "../../viewer/clock.ts";
import { DisplayLink } from "../../viewer/display_link.ts";
import { PhaseLead } from "../../viewer/phase_lead.ts";
import { randomOf } from "../harness/random.ts";

const PERIOD_MS = 1_000 / 60;
/** The server's clock is ahead of the page's by this. */
const OFFSET_MS = 5_000_000;
const TICK_MS = 100;

/** A page in time that is moved by hand: a display at 60 Hz, a tick each 100 ms. */
class Page {
  nowMs = 1_000;
  readonly said: Display[] = [];
  readonly link: DisplayLink;
  framesServed = 0;
  readonly #clock = new ServerClock();
  #callbacks: ((stampMs: number) => void)[] = [];
  #frameAtMs = 1_004;
  #tickAtMs = 1_050;

  constructor() {
    this.#clock.addSample(999, 1_001, 1_000 + OFFSET_MS);
    this.link = new DisplayLink({
      clock: this.#clock,
      nowMs: () => this.nowMs,
      requestFrame: (callback) => this.#callbacks.push(callback),
      say: (display) => this.said.push(display),
    });
  }

  /** Goes on in time; animation frames and ticks come on the way. */
  run(untilMs: number): void {
    while (true) {
      const nextMs = Math.min(this.#frameAtMs, this.#tickAtMs);
      if (nextMs > untilMs) break;
      this.nowMs = nextMs;
      if (nextMs === this.#tickAtMs) {
        this.#tickAtMs += TICK_MS;
        this.link.tick(nextMs);
      } else {
        this.#frameAtMs += PERIOD_MS;
        for (const callback of this.#callbacks.splice(0)) {
          this.framesServed++;
          callback(nextMs);
        }
      }
    }
    this.nowMs = untilMs;
  }

  /** Draws frames of a run of so many a second, each sampled 8 ms before. */
  watch(ms: number, framesPerSecond = 30): void {
    const endMs = this.nowMs + ms;
    while (this.nowMs + 1_000 / framesPerSecond <= endMs) {
      this.run(this.nowMs + 1_000 / framesPerSecond);
      const drawnAtMs = this.nowMs + OFFSET_MS;
      this.link.drawn({ sampledAtMs: drawnAtMs - 8, drawnAtMs, locked: false }, () => {});
    }
    this.run(endMs);
  }
}

Deno.test("display link: says the display's times in the server's clock, four times a second at most", () => {
  const page = new Page();
  page.link.phaseLock = true;
  page.watch(3_000);
  const said = page.said.at(-1)!;
  assert(Math.abs(said.periodMs - PERIOD_MS) < 1e-6);
  const frames = (said.phaseMs - OFFSET_MS - 1_004) / PERIOD_MS;
  assert(Math.abs(frames - Math.round(frames)) < 1e-6);
  assert(said.leadMs >= 8 && said.leadMs <= 10, `lead ${said.leadMs}`);
  assert(page.said.length >= 8 && page.said.length <= 12, `said ${page.said.length} times`);
  assert(Math.abs(page.link.periodMs! - PERIOD_MS) < 1e-6);
});

Deno.test("display link: without pictures no animation frame is asked for, and nothing is said", () => {
  const page = new Page();
  page.link.phaseLock = true;
  page.run(5_000);
  assert.equal(page.framesServed, 0);
  page.watch(2_000);
  page.run(page.nowMs + 1_000);
  const served = page.framesServed;
  const said = page.said.length;
  page.run(page.nowMs + 60_000);
  assert.deepEqual([page.framesServed, page.said.length], [served, said]);
  page.watch(1_000);
  assert(page.said.length > said, "and goes on with them");
});

Deno.test("display link: phase lock that ends is taken back, more than once and not for ever", () => {
  const page = new Page();
  page.watch(2_000);
  assert.deepEqual(page.said, []);
  page.link.phaseLock = true;
  page.watch(1_000);
  page.said.length = 0;
  page.link.phaseLock = false;
  page.watch(5_000);
  assert.deepEqual(page.said, Array(4).fill({ phaseMs: 0, periodMs: 0, leadMs: 0 }));
});

Deno.test("display link: the last picture drawn before the display's next frame learns when it begins, once", () => {
  const page = new Page();
  const begun: number[] = [];
  page.link.drawn(null, (nowMs) => begun.push(-nowMs));
  page.link.drawn(null, (nowMs) => begun.push(nowMs));
  page.run(2_000);
  assert.deepEqual(begun, [1_004]);
});

Deno.test("display link: a page that was hidden in between tells the old subscription's picture nothing", () => {
  const page = new Page();
  const begun: number[] = [];
  page.link.drawn(null, (nowMs) => begun.push(nowMs));
  page.nowMs = 60_000;
  page.link.restart();
  page.run(62_000);
  assert.deepEqual(begun, []);
});

Deno.test("phase lead: covers the path's p95, and more when frames miss their display frame", () => {
  const display = { phaseMs: 0, periodMs: PERIOD_MS };
  for (const seed of [1, 2, 3]) {
    const lead = new PhaseLead();
    const random = randomOf(seed);
    const late: boolean[] = [];
    // Mostly 8 ms, with a tail that p95 does not see: every fiftieth takes 4 ms more.
    for (let frame = 100; frame < 100 + 60 * 60; frame++) {
      const aimedMs = frame * PERIOD_MS;
      const leadMs = lead.leadMs(aimedMs) ?? 20;
      const sampledAtMs = aimedMs - leadMs;
      const pathMs = 8 + random() + (random() < 0.02 ? 4 : 0);
      lead.addFrame(sampledAtMs, sampledAtMs + pathMs);
      lead.judge(sampledAtMs, sampledAtMs + pathMs, leadMs, display);
      late.push(pathMs > leadMs);
    }
    const lateShare = late.slice(600).filter(Boolean).length / (late.length - 600);
    assert(lateShare < 0.012, `${lateShare} late with seed ${seed}`);
    const leadMs = lead.leadMs((100 + 60 * 60) * PERIOD_MS)!;
    assert(leadMs > 9 && leadMs < 14, `lead ${leadMs}`);
  }
});

Deno.test("phase lead: goes down again when the path gets better, and is bounded whatever comes", () => {
  const display = { phaseMs: 0, periodMs: PERIOD_MS };
  const lead = new PhaseLead();
  let nowMs = 1_000;
  const frames = (count: number, pathMs: number) => {
    for (let frame = 0; frame < count; frame++, nowMs += PERIOD_MS) {
      const leadMs = lead.leadMs(nowMs) ?? 1;
      lead.addFrame(nowMs - pathMs, nowMs);
      lead.judge(nowMs - pathMs, nowMs, leadMs, display);
    }
  };
  assert.equal(lead.leadMs(nowMs), null);
  frames(600, 1_500);
  assert.equal(lead.leadMs(nowMs), 500);
  frames(60 * 60, 2);
  assert(lead.leadMs(nowMs)! < 2 + PERIOD_MS / 2 + 0.1);
});
