import fc from "fast-check";
import assert from "node:assert/strict";
import { LinkMeter, STALLED_NS, type Verdict } from "../../core/link_meter.ts";
import { RateControl } from "../../core/rate_control.ts";

const NS_PER_MS = 1e6;
const DEFAULT_KBPS = 3_000;

/** Steps every half second from `fromMs` on. */
function play(control: RateControl, verdicts: Verdict[], seconds: number, fromMs = 0): number {
  const untilMs = fromMs + seconds * 1000;
  for (let ms = fromMs; ms < untilMs; ms += 500) {
    assert(control.isDue(ms * NS_PER_MS));
    control.step(ms * NS_PER_MS, verdicts, 30, DEFAULT_KBPS);
  }
  return untilMs;
}

Deno.test("rate control: nothing changes while all follow", () => {
  const control = new RateControl();
  play(control, ["following", "idle"], 60);
  assert.deepEqual([control.share, control.rateMaxHz], [1, null]);
});

Deno.test("rate control: down to the floor in seconds, then fewer pictures", () => {
  const control = new RateControl();
  const atMs = play(control, ["behind", "following"], 6);
  assert.equal(control.share, 0.1);
  play(control, ["behind"], 5, atMs);
  assert(control.rateMaxHz! < 10 && control.rateMaxHz! >= 2, `${control.rateMaxHz}`);
});

Deno.test("rate control: who cannot keep up takes bits from the others, and no pictures", () => {
  const control = new RateControl();
  const atMs = play(control, ["behind", "following"], 60);
  assert.deepEqual([control.share, control.rateMaxHz], [0.1, null]);
  const cappedMs = play(control, ["behind"], 5, atMs);
  assert(control.rateMaxHz !== null);
  play(control, ["behind", "following"], 20, cappedMs);
  assert.deepEqual([control.share, control.rateMaxHz], [0.1, null], "another came, who follows");
});

Deno.test("rate control: the floor is 150 kbit/s where a tenth is less", () => {
  const control = new RateControl();
  for (let ms = 0; ms < 10_000; ms += 500) control.step(ms * NS_PER_MS, ["behind"], 30, 300);
  assert.equal(control.share, 0.5);
});

Deno.test("rate control: up again slowly, the pictures first", () => {
  const control = new RateControl();
  let atMs = play(control, ["behind"], 10);
  atMs = play(control, ["following"], 12, atMs);
  assert.equal(control.rateMaxHz, null);
  assert(control.share < 0.3);
  play(control, ["following"], 30, atMs);
  assert.equal(control.share, 1);
});

Deno.test("rate control: who stands still has no vote", () => {
  const control = new RateControl();
  play(control, ["stalled", "following"], 10);
  assert.equal(control.share, 1);
  play(control, ["stalled"], 10, 10_000);
  assert.equal(control.share, 1);
});

Deno.test("rate control: share and rate stay in their bounds, whatever is seen", () => {
  const verdict = fc.constantFrom<Verdict>("following", "behind", "stalled", "idle");
  fc.assert(fc.property(fc.array(fc.array(verdict, { maxLength: 4 })), (seen) => {
    const control = new RateControl();
    seen.forEach((verdicts, index) => {
      control.step(index * 500 * NS_PER_MS, verdicts, 60, DEFAULT_KBPS);
      assert(control.share >= 0.1 && control.share <= 1);
      assert(control.rateMaxHz === null || control.rateMaxHz >= 2);
    });
  }));
});

/** Acks of one second, each `delayMs` after its frame. */
function acks(meter: LinkMeter, delayMs: number, fromMs: number): void {
  for (let ms = fromMs; ms < fromMs + 1000; ms += 33) {
    meter.acked(delayMs * NS_PER_MS, ms * NS_PER_MS);
  }
}

Deno.test("link meter: a long way is no congestion, a growing one is", () => {
  const meter = new LinkMeter();
  for (const second of [0, 1, 2]) {
    acks(meter, 180, second * 1000);
    assert.equal(meter.judge(second * 1e9 + 1e9, null, null), "following");
  }
  acks(meter, 400, 3000);
  assert.equal(meter.judge(4e9, null, null), "behind");
});

Deno.test("link meter: what has become usual is no congestion any more", () => {
  const meter = new LinkMeter();
  acks(meter, 10, 0);
  meter.judge(1e9, null, null);
  let last: Verdict = "idle";
  for (let second = 1; second <= 25; second++) {
    acks(meter, 200, second * 1000);
    last = meter.judge((second + 1) * 1e9, null, null);
    if (second < 9) assert.equal(last, "behind");
  }
  assert.equal(last, "following");
});

Deno.test("link meter: misses, writes that hang and silence", () => {
  const meter = new LinkMeter();
  assert.equal(meter.judge(0, null, null), "idle");
  acks(meter, 10, 0);
  for (let index = 0; index < 20; index++) meter.offered(index % 5 !== 0);
  assert.equal(meter.judge(1e9, null, null), "behind");
  acks(meter, 10, 1000);
  assert.equal(meter.judge(2e9, null, 2e9 - 200 * NS_PER_MS), "behind");
  assert.equal(meter.judge(3e9, 3e9 - STALLED_NS, null), "stalled");
});
