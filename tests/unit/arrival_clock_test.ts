import assert from "node:assert/strict";
import { ArrivalClock } from "../../cli/mpegts/arrival_clock.ts";
import { randomOf } from "../harness/random.ts";

const NS_PER_MS = 1e6;
const PERIOD_MS = 1000 / 30;

/** The clock's times for these arrivals, in ms. */
function timesOf(arrivalsMs: number[]): number[] {
  const clock = new ArrivalClock();
  return arrivalsMs.map((arrivalMs) => clock.timeOf(arrivalMs * NS_PER_MS) / NS_PER_MS);
}

function intervals(timesMs: number[]): number[] {
  return timesMs.slice(1).map((timeMs, index) => timeMs - timesMs[index]!);
}

const steady = (count: number) => Array.from({ length: count }, (_, index) => index * PERIOD_MS);

Deno.test("arrival clock: what comes steadily is shown as it came", () => {
  const arrivalsMs = steady(100);
  for (const [index, timeMs] of timesOf(arrivalsMs).entries()) {
    assert(Math.abs(timeMs - arrivalsMs[index]!) < 0.01, `${index}: ${timeMs}`);
  }
});

Deno.test("arrival clock: jitter is smoothed, and the times stay with the arrivals", () => {
  const random = randomOf(1);
  const arrivalsMs = steady(900).map((timeMs) => timeMs + (random() - 0.5) * 20);
  const timesMs = timesOf(arrivalsMs);
  const settled = intervals(timesMs).slice(100);
  const [least, most] = [Math.min(...settled), Math.max(...settled)];
  assert(least > PERIOD_MS - 3 && most < PERIOD_MS + 3, `${least} to ${most} ms apart`);
  for (const [index, timeMs] of timesMs.entries()) {
    assert(Math.abs(timeMs - arrivalsMs[index]!) < 30, `${index}: ${timeMs}`);
  }
});

Deno.test("arrival clock: a pause and a burst are followed at once, and never backwards", () => {
  const before = steady(60);
  const after = steady(60).map((timeMs) => timeMs + 10_000);
  const burst = Array.from({ length: 60 }, () => 20_000);
  const timesMs = timesOf([...before, ...after, ...burst]);
  assert(Math.abs(timesMs[60]! - 10_000) < 0.01, `${timesMs[60]}`);
  assert(intervals(timesMs).every((interval) => interval >= 0));
  assert(timesMs.at(-1)! - 20_000 < 300, `${timesMs.at(-1)}`);
});

Deno.test("arrival clock: another rate is found, also behind a first pair that came at once", () => {
  const arrivalsMs = [0, 0.1, ...steady(200).map((timeMs) => timeMs + PERIOD_MS)];
  const settled = intervals(timesOf(arrivalsMs)).slice(-20);
  assert(settled.every((interval) => Math.abs(interval - PERIOD_MS) < 1), `${settled}`);
});
