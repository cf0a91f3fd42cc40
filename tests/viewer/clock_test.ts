import assert from "node:assert/strict";
import { ServerClock } from "../../viewer/clock.ts";

Deno.test("clock: knows nothing before the first answer", () => {
  const clock = new ServerClock();
  assert.equal(clock.serverMsAt(5), null);
  assert.equal(clock.roundTripMs, null);
});

Deno.test("clock: the probe with the shortest round trip decides", () => {
  const clock = new ServerClock();
  // The server's clock is 1,000 ms ahead; the slow probe's answer was late on its way back.
  clock.addSample(0, 40, 1_001);
  clock.addSample(50, 52, 1_051);
  clock.addSample(100, 130, 1_104);
  assert.equal(clock.serverMsAt(200), 1_200);
  assert.equal(clock.roundTripMs, 2);
});

Deno.test("clock: an old sample gives way to a newer one, since clocks drift apart", () => {
  const clock = new ServerClock();
  clock.addSample(0, 1, 1_000.5);
  clock.addSample(20_000, 20_002, 21_002);
  // After 20 s the first sample may be off by 2 ms, the second by 1 ms.
  assert.equal(clock.serverMsAt(20_000), 21_001);
});

Deno.test("clock: follows a drift of 50 ppm to within the probes' bounds over ten minutes", () => {
  const clock = new ServerClock();
  const serverAt = (pageMs: number) => 5_000 + pageMs * (1 + 50e-6);
  for (let pageMs = 0; pageMs < 600_000; pageMs += 500) {
    clock.addSample(pageMs, pageMs + 2, serverAt(pageMs + 1));
    const errorMs = Math.abs(clock.serverMsAt(pageMs + 2)! - serverAt(pageMs + 2));
    assert.ok(errorMs <= 1, `off by ${errorMs} ms after ${pageMs} ms`);
  }
});

Deno.test("clock: another server's clock replaces the old one", () => {
  const clock = new ServerClock();
  clock.addSample(0, 1, 1_000);
  clock.reset();
  assert.equal(clock.serverMsAt(5), null);
  clock.addSample(10, 30, 7_020);
  assert.equal(clock.serverMsAt(30), 7_030);
});
