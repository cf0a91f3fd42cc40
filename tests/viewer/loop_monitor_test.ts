import assert from "node:assert/strict";
import { BEAT_MS, LoopMonitor } from "../../viewer/loop_monitor.ts";

/** A loop in time that is moved by hand. */
class Loop {
  nowMs = 0;
  kicks = 0;
  readonly monitor = new LoopMonitor(() => this.kicks++);

  /** Runs as it should; `each` happens at every beat. */
  run(ms: number, each: () => void = () => {}): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += BEAT_MS;
      each();
      this.monitor.beat(this.nowMs);
    }
  }

  /** Stands still, and beats once when it goes on. */
  stall(ms: number): void {
    this.nowMs += ms;
    this.monitor.beat(this.nowMs);
  }

  readonly receive = () => this.monitor.received(this.nowMs);
}

Deno.test("loop monitor: counts how often the loop stood still, not that a beat was a little late", () => {
  const loop = new Loop();
  loop.run(1_000);
  loop.stall(BEAT_MS + 50);
  assert.equal(loop.monitor.stallsCount, 0);
  loop.stall(BEAT_MS + 51);
  loop.run(500);
  loop.stall(3_000);
  assert.equal(loop.monitor.stallsCount, 2);
});

Deno.test("loop monitor: a rest is no stall", () => {
  const loop = new Loop();
  loop.run(100);
  loop.monitor.rest();
  loop.stall(60_000);
  loop.run(100);
  assert.equal(loop.monitor.stallsCount, 0);
});

Deno.test("loop monitor: frames that are drawn leave the pipeline alone", () => {
  const loop = new Loop();
  loop.run(10_000, () => {
    loop.receive();
    loop.monitor.drawn();
  });
  loop.run(60_000);
  assert.equal(loop.kicks, 0);
});

Deno.test("loop monitor: frames that are not drawn for a second kick the pipeline, and again after a pause", () => {
  const loop = new Loop();
  loop.run(975, loop.receive);
  assert.equal(loop.kicks, 0);
  loop.run(75, loop.receive);
  assert.equal(loop.kicks, 1);
  loop.run(2_900, loop.receive);
  assert.equal(loop.kicks, 1, "it needs a moment");
  loop.run(200, loop.receive);
  assert.deepEqual([loop.kicks, loop.monitor.kicksCount], [2, 2]);
  loop.monitor.drawn();
  loop.run(10_000);
  assert.equal(loop.kicks, 2);
});

Deno.test("loop monitor: frames that stopped coming, since none was drawn, kick it too", () => {
  const loop = new Loop();
  loop.run(100, loop.receive);
  loop.run(2_000);
  assert.equal(loop.kicks, 1);
});

Deno.test("loop monitor: a loop that stood still is no fault of the pipeline", () => {
  const loop = new Loop();
  loop.run(BEAT_MS, loop.receive);
  loop.stall(5_000);
  loop.run(900);
  assert.equal(loop.kicks, 0);
  loop.run(200);
  assert.equal(loop.kicks, 1);
});
