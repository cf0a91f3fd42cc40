import assert from "node:assert/strict";
import { Presenter } from "../../viewer/presenter.ts";
import { decodedFrame, type FramePlan, RendererDouble, TimerDouble } from "./doubles.ts";

/** The server's clock is this far ahead of the page's. */
const OFFSET_MS = 5_000;
const PERIOD_MS = 16;

function setUp() {
  const leases = { live: 0, opened: 0 };
  const done: number[] = [];
  const errors: string[] = [];
  const renderer = new RendererDouble();
  const clock = { nowMs: 0 };
  const server = { offsetMs: OFFSET_MS };
  const decoder = { framesPending: 0 };
  const timer = new TimerDouble(clock);
  const presenter = new Presenter(renderer, {
    nowMs: () => clock.nowMs,
    wakeAfter: timer.wakeAfter,
    pageMsAt: (serverMs) => serverMs - server.offsetMs,
    moreComing: () => decoder.framesPending > 0,
    onDrawn() {},
    onDone: (frame) => done.push(frame),
    onError: (message) => errors.push(message),
  });
  const present = (plan: FramePlan) => {
    const frame = decodedFrame(leases, plan);
    presenter.present(frame);
    frame.lease.release("decoder");
  };
  /** A frame that the worker stamped at this moment of the page's clock. */
  const presentStamped = (frame: number, atMs: number) =>
    present({ frame, tMonoNs: BigInt(atMs + OFFSET_MS) * 1_000_000n });
  const end = () => {
    presenter.close();
    renderer.hold.releaseAll();
    assert.equal(leases.live, 0);
  };
  const { drawn } = renderer;
  return {
    leases,
    drawn,
    done,
    errors,
    renderer,
    presenter,
    clock,
    server,
    decoder,
    timer,
    present,
    presentStamped,
    end,
  };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

Deno.test("presenter: live, a frame is drawn at once, and of those behind it the newest wins", async () => {
  const { drawn, done, presenter, present, end } = setUp();
  for (const frame of [1, 2, 3, 4]) present({ frame });
  assert.deepEqual(drawn, [1]);
  await turn();
  assert.deepEqual([drawn, done], [[1, 4], [1, 4]]);
  assert.deepEqual([presenter.framesShown, presenter.framesReplaced], [2, 2]);
  end();
});

Deno.test("presenter: live, frames that find the worker idle never wait", () => {
  const { drawn, clock, timer, present, end } = setUp();
  for (const frame of [1, 2, 3]) {
    present({ frame });
    clock.nowMs += PERIOD_MS;
  }
  assert.deepEqual([drawn, timer.sets], [[1, 2, 3], 0]);
  end();
});

Deno.test("presenter: live, what comes behind a draw waits for what is being decoded, and is replaced", async () => {
  const { drawn, timer, decoder, presenter, present, end } = setUp();
  present({ frame: 1 });
  for (const frame of [2, 3, 4]) {
    decoder.framesPending = 4 - frame;
    present({ frame });
    timer.advanceTo(timer.clock.nowMs + 4);
  }
  await turn();
  assert.deepEqual([drawn, presenter.framesReplaced, timer.atMs], [[1, 4], 2, null]);
  end();
});

Deno.test("presenter: live, a decoder that keeps a picture does not keep the one before from being drawn", () => {
  const { drawn, timer, decoder, present, end } = setUp();
  decoder.framesPending = 1;
  present({ frame: 1 });
  present({ frame: 2 });
  timer.advanceTo(19);
  assert.deepEqual(drawn, [1]);
  timer.advanceTo(20);
  assert.deepEqual([drawn, timer.atMs], [[1, 2], null]);
  // One that finds the worker idle is drawn at once all the same.
  timer.advanceTo(40);
  present({ frame: 3 });
  assert.deepEqual(drawn, [1, 2, 3]);
  end();
});

Deno.test("presenter: not live, every frame is drawn in order, at once", () => {
  const { drawn, presenter, present, end } = setUp();
  presenter.stayLive = false;
  for (const frame of [1, 2, 3]) present({ frame });
  assert.deepEqual(drawn, [1, 2, 3]);
  end();
});

Deno.test("presenter: of ten thousand frames two are held at a time", async () => {
  const { leases, renderer, present, end } = setUp();
  let liveMax = 0;
  for (let frame = 1; frame <= 10_000; frame++) {
    present({ frame });
    renderer.gl.pass();
    renderer.tick();
    liveMax = Math.max(liveMax, leases.live);
    if (frame % 100 === 0) await turn();
  }
  assert.equal(liveMax, 2);
  end();
});

Deno.test("presenter: a frame that cannot be drawn is reported, not kept, and the next one is drawn", () => {
  const { drawn, done, errors, renderer, presenter, clock, present, end } = setUp();
  renderer.failure = "frame 1 is damaged";
  present({ frame: 1 });
  assert.deepEqual([errors, presenter.shown], [["frame 1 is damaged"], null]);
  renderer.failure = null;
  clock.nowMs += PERIOD_MS;
  present({ frame: 2 });
  // Both were answered, so that the server goes on.
  assert.deepEqual([drawn, done], [[2], [1, 2]]);
  end();
});

Deno.test("presenter: while the context is lost the newest frame is kept, and drawn when it is back", () => {
  const { drawn, done, leases, renderer, presenter, clock, present, end } = setUp();
  renderer.loseContext();
  for (const frame of [1, 2]) {
    present({ frame });
    clock.nowMs += PERIOD_MS;
  }
  assert.deepEqual([drawn, done, leases.live], [[], [1, 2], 1]);
  renderer.contextLost = false;
  presenter.redraw();
  assert.deepEqual(drawn, [2]);
  end();
});

Deno.test("presenter: with a latency each frame is drawn when it is so old, and one timer wakes", () => {
  const { drawn, done, presenter, timer, presentStamped, end } = setUp();
  presenter.latencyMs = 100;
  // They come unevenly: stamped every 20 ms, here after 10, 45, 46 and 130 ms.
  timer.advanceTo(10);
  presentStamped(1, 0);
  timer.advanceTo(45);
  presentStamped(2, 20);
  timer.advanceTo(46);
  presentStamped(3, 40);
  assert.deepEqual([drawn, presenter.framesWaiting, timer.atMs], [[], 3, 100]);
  // The server is not kept waiting for them.
  assert.deepEqual(done, [1, 2, 3]);
  const drawnBy = (atMs: number) => {
    timer.advanceTo(atMs);
    return [...drawn];
  };
  assert.deepEqual([drawnBy(99), drawnBy(100), drawnBy(119), drawnBy(120)], [[], [1], [1], [1, 2]]);
  timer.advanceTo(130);
  presentStamped(4, 60);
  assert.deepEqual([drawnBy(140), drawnBy(159), drawnBy(160)], [
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3, 4],
  ]);
  // Nothing waits, so nothing wakes.
  assert.deepEqual([timer.atMs, done], [null, [1, 2, 3, 4]]);
  end();
});

Deno.test("presenter: with a latency a frame that is late already is drawn at once; of several the newest", () => {
  const { drawn, presenter, clock, presentStamped, end } = setUp();
  presenter.latencyMs = 50;
  clock.nowMs = 100;
  presentStamped(1, 0);
  assert.deepEqual(drawn, [1]);
  clock.nowMs = 200;
  presentStamped(2, 160);
  presentStamped(3, 170);
  // The worker stood still, and both are due with a third that comes now.
  clock.nowMs = 300;
  presentStamped(4, 190);
  assert.deepEqual([drawn, presenter.framesReplaced], [[1, 4], 2]);
  end();
});

Deno.test("presenter: frames that wait are bounded; too long a latency becomes one that fits", () => {
  const { drawn, leases, renderer, presenter, timer, presentStamped, end } = setUp();
  presenter.latencyMs = 10_000;
  for (let frame = 1; frame <= 100; frame++) {
    timer.advanceTo(frame * PERIOD_MS);
    presentStamped(frame, frame * PERIOD_MS);
    renderer.gl.pass();
    renderer.tick();
  }
  assert.deepEqual(drawn, Array.from({ length: 76 }, (_, index) => index + 1));
  assert.deepEqual([presenter.framesHurried, presenter.framesWaiting], [76, 24]);
  assert.ok(leases.live <= 26, `${leases.live} pictures are held`);
  end();
});

Deno.test("presenter: a clock that is set right does not let a newer frame overtake those that wait", () => {
  const { drawn, presenter, server, timer, presentStamped, end } = setUp();
  presenter.latencyMs = 100;
  presentStamped(1, 0);
  presentStamped(2, 4);
  timer.advanceTo(8);
  server.offsetMs += 30;
  presentStamped(3, 8);
  presentStamped(4, 12);
  timer.advanceTo(77);
  assert.deepEqual(drawn, []);
  timer.advanceTo(200);
  // All three are due when the third is, and the newest of them is drawn.
  assert.deepEqual([drawn, presenter.framesReplaced], [[3, 4], 2]);
  end();
});

Deno.test("presenter: a stamp of the future does not make a frame wait for longer than the latency", () => {
  const { drawn, presenter, timer, presentStamped, end } = setUp();
  presenter.latencyMs = 100;
  presentStamped(1, 3_600_000);
  timer.advanceTo(100);
  assert.deepEqual(drawn, [1]);
  end();
});

Deno.test("presenter: frames wait for a device that is busy, the newest wins, and nothing wakes without one", async () => {
  const { drawn, done, leases, renderer, timer, present, end } = setUp();
  renderer.deviceIsSlow = true;
  present({ frame: 1 });
  assert.equal(timer.atMs, null);
  for (const frame of [2, 3, 4]) {
    timer.advanceTo(timer.clock.nowMs + PERIOD_MS);
    present({ frame });
  }
  await turn();
  assert.deepEqual([drawn, done, leases.live], [[1], [1], 2]);
  renderer.gl.pass();
  timer.advanceTo(timer.clock.nowMs + 2);
  assert.deepEqual([drawn, done, timer.atMs], [[1, 4], [1, 4], null]);
  end();
});

Deno.test("presenter: not live, frames that waited for the device are all drawn, and a bounded number waits", () => {
  const { drawn, leases, renderer, presenter, timer, present, end } = setUp();
  renderer.deviceIsSlow = true;
  presenter.stayLive = false;
  for (let frame = 1; frame <= 40; frame++) present({ frame });
  assert.ok(leases.live <= 30, `${leases.live} pictures are held`);
  renderer.gl.pass();
  timer.advanceTo(2);
  assert.deepEqual(drawn, Array.from({ length: 40 }, (_, index) => index + 1));
  end();
});

Deno.test("presenter: a device that never answers does not stop the pictures", async () => {
  const { drawn, renderer, timer, present, end } = setUp();
  renderer.deviceIsSlow = true;
  present({ frame: 1 });
  present({ frame: 2 });
  await turn();
  timer.advanceTo(249);
  assert.deepEqual(drawn, [1]);
  timer.advanceTo(252);
  assert.deepEqual(drawn, [1, 2]);
  end();
});

Deno.test("presenter: a latency that is taken away draws the newest of what waited", () => {
  const { drawn, presenter, timer, presentStamped, end } = setUp();
  presenter.latencyMs = 200;
  for (const frame of [1, 2, 3]) presentStamped(frame, frame * PERIOD_MS);
  presenter.latencyMs = 0;
  assert.deepEqual([drawn, presenter.framesWaiting, timer.atMs], [[3], 0, null]);
  end();
});

Deno.test("presenter: another subscription forgets what waited, and keeps the picture on the screen", () => {
  const { drawn, presenter, timer, presentStamped, end } = setUp();
  presentStamped(1, 0);
  presenter.latencyMs = 100;
  presentStamped(2, 10);
  presenter.restart();
  timer.advanceTo(1_000);
  assert.deepEqual([drawn, presenter.shown!.header.frame, timer.atMs], [[1], 1, null]);
  end();
});
