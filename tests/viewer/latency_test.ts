import assert from "node:assert/strict";
import { LatencyMeter, LatencySeries } from "../../viewer/latency.ts";
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

Deno.test("latency: the stages of a frame add up to its total", () => {
  const meter = new LatencyMeter();
  meter.addFrame({
    steppedAtMs: 100,
    wokenAtMs: 100.5,
    sentAtMs: 101.5,
    receivedAtMs: 104,
    drawnAtMs: 108,
  }, 0);
  meter.addDisplayWait(9, 0);
  const { ring, server, wire, draw, total, display } = meter.summary(0);
  assert.deepEqual(
    [ring, server, wire, draw, total, display].map((figures) => figures!.p50Ms),
    [0.5, 1, 2.5, 4, 8, 9],
  );
});

Deno.test("rate: events of the last second", () => {
  const meter = new RateMeter();
  for (let atMs = 0; atMs < 3_000; atMs += 20) meter.add(atMs);
  assert.equal(meter.perSecond(2_980), 51);
  assert.equal(meter.perSecond(3_480), 26);
  assert.equal(meter.perSecond(9_000), 0);
});
