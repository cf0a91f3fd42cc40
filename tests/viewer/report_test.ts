import assert from "node:assert/strict";
import { FrameTimes } from "../../viewer/frame_times.ts";
import { type ReportCounts, ReportMeter } from "../../viewer/report.ts";

const NO_COUNTS: ReportCounts = {
  framesShown: 0,
  framesDropped: 0,
  janks: 0,
  stalls: 0,
  decoderRestarts: 0,
};
const COUNTS: ReportCounts = {
  framesShown: 30,
  framesDropped: 2,
  janks: 1,
  stalls: 0,
  decoderRestarts: 1,
};

Deno.test("report: once a second, with what is new since the last", () => {
  const meter = new ReportMeter(NO_COUNTS);
  for (let frame = 1; frame <= 100; frame++) {
    meter.addFrame({ frameTimeMs: frame, latencyMs: frame * 2, decodeMs: 3 }, 5_000 + frame);
  }
  assert.deepEqual(meter.take(COUNTS, 6_000), {
    ...COUNTS,
    frameTimeP50Ms: 50,
    frameTimeP99Ms: 99,
    latencyP50Ms: 100,
    latencyP99Ms: 198,
    decodeP50Ms: 3,
  });
  assert.equal(meter.take(COUNTS, 6_999), null, "too soon");
  assert.deepEqual(meter.take({ ...COUNTS, framesShown: 45, stalls: 2 }, 7_000), {
    framesShown: 15,
    framesDropped: 0,
    janks: 0,
    stalls: 2,
    decoderRestarts: 0,
    frameTimeP50Ms: null,
    frameTimeP99Ms: null,
    latencyP50Ms: null,
    latencyP99Ms: null,
    decodeP50Ms: null,
  });
});

Deno.test("report: raw frames have no decode time, the first of all no frame time, counts begin anew", () => {
  const meter = new ReportMeter(NO_COUNTS);
  meter.take(COUNTS, 1_000);
  meter.restart({ ...COUNTS, framesShown: 0, framesDropped: 0 });
  meter.addFrame({ frameTimeMs: null, latencyMs: 7, decodeMs: null }, 1_500);
  const report = meter.take({ ...COUNTS, framesShown: 1, framesDropped: 0, janks: 3 }, 2_000)!;
  assert.deepEqual(report, {
    framesShown: 1,
    framesDropped: 0,
    janks: 2,
    stalls: 0,
    decoderRestarts: 0,
    frameTimeP50Ms: null,
    frameTimeP99Ms: null,
    latencyP50Ms: 7,
    latencyP99Ms: 7,
    decodeP50Ms: null,
  });
});

Deno.test("frame times: a frame over one and a half times the usual time after the last is a jerk", () => {
  const times = new FrameTimes();
  let nowMs = 0;
  const draw = (afterMs: number) => times.drawn(nowMs += afterMs);
  assert.equal(draw(0), null);
  for (let frame = 0; frame < 30; frame++) assert.deepEqual([draw(14), draw(18)], [14, 18]);
  assert.equal(times.janksCount, 0);
  draw(26);
  assert.equal(times.janksCount, 0);
  draw(34);
  assert.equal(times.janksCount, 1);
  // Another rate is soon the usual one: after half a window of it.
  for (let frame = 0; frame < 40; frame++) draw(100);
  assert(times.janksCount <= 1 + 16, `${times.janksCount} jerks`);
  const before = times.janksCount;
  draw(120);
  assert.equal(times.janksCount, before);
});

Deno.test("frame times: what was paused is not late", () => {
  const times = new FrameTimes();
  for (let frame = 0; frame < 30; frame++) times.drawn(frame * 20);
  times.rest();
  assert.equal(times.drawn(60_000), null);
  assert.equal(times.drawn(60_020), 20);
  assert.equal(times.janksCount, 0);
});
