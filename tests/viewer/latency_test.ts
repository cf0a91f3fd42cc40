import assert from "node:assert/strict";
import { LATENCY_STAGES, LatencyMeter, LatencySeries } from "../../viewer/latency.ts";
import { RateMeter } from "../../viewer/rate_meter.ts";

Deno.test("latency: percentiles by nearest rank, and the newest value", () => {
  const series = new LatencySeries();
  for (let value = 100; value >= 1; value--) series.add(value, 1_000);
  assert.deepEqual(series.figures(1_000), { nowMs: 1, p50Ms: 50, p99Ms: 99, samples: 100 });
});

Deno.test("latency: samples leave the window after 10 s", () => {
  const series = new LatencySeries();
  series.add(500, 0);
  series.add(3, 9_000);
  assert.equal(series.figures(9_500)!.p99Ms, 500);
  assert.deepEqual(series.figures(10_500), { nowMs: 3, p50Ms: 3, p99Ms: 3, samples: 1 });
  assert.equal(series.figures(30_000), null);
});

Deno.test("latency: more samples than are kept leave the newest ones", () => {
  const series = new LatencySeries();
  for (let value = 0; value < 5_000; value++) series.add(value, value / 1_000);
  const figures = series.figures(5)!;
  assert.equal(figures.samples, 2_048);
  assert.equal(figures.nowMs, 4_999);
  assert.equal(figures.p50Ms, 5_000 - 2_048 + 1_023);
});

const MOMENTS = {
  steppedAtMs: 100,
  wokenAtMs: 100.5,
  encodedAtMs: 101.25,
  sentAtMs: 101.5,
  receivedAtMs: 104,
  decodedAtMs: 106.5,
  drawnAtMs: 108,
};

Deno.test("latency: the stages of an encoded frame add up to its total", () => {
  const meter = new LatencyMeter();
  meter.addFrame(MOMENTS, 0);
  meter.addDisplayed(MOMENTS, 117, 0);
  const summary = meter.summary(0);
  const stagesMs = LATENCY_STAGES.map((stage) => summary[stage]!.p50Ms);
  assert.deepEqual(stagesMs, [0.5, 0.75, 0.25, 2.5, 2.5, 1.5]);
  assert.equal(stagesMs.reduce((sum, ms) => sum + ms), summary.total!.p50Ms);
  const { total, display, displayed } = summary;
  assert.deepEqual([total!.p50Ms, display!.p50Ms, displayed!.p50Ms], [8, 9, 17]);
});

Deno.test("latency: a raw frame is neither encoded nor decoded, and its stages add up as well", () => {
  const meter = new LatencyMeter();
  meter.addFrame({ ...MOMENTS, encodedAtMs: null, decodedAtMs: null }, 0);
  const summary = meter.summary(0);
  assert.deepEqual([summary.encode, summary.decode], [null, null]);
  const stagesMs = LATENCY_STAGES.map((stage) => summary[stage]?.p50Ms ?? 0);
  assert.deepEqual(stagesMs, [0.5, 0, 1, 2.5, 0, 4]);
  assert.equal(stagesMs.reduce((sum, ms) => sum + ms), summary.total!.p50Ms);
});

Deno.test("rate: events of the last second", () => {
  const meter = new RateMeter();
  for (let atMs = 0; atMs < 3_000; atMs += 20) meter.add(atMs);
  assert.equal(meter.perSecond(2_980), 51);
  assert.equal(meter.perSecond(3_480), 26);
  assert.equal(meter.perSecond(9_000), 0);
});

Deno.test("rate: bytes of the last second", () => {
  const meter = new RateMeter();
  meter.add(0, 1_000_000);
  for (const atMs of [500, 1_000, 1_400]) meter.add(atMs, 100);
  assert.equal(meter.perSecond(1_450), 300);
  assert.equal(meter.perSecond(1_600), 200);
});
