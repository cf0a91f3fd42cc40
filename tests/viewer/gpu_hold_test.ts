import assert from "node:assert/strict";
import { FrameLease } from "../../viewer/frame_lease.ts";
import { GpuHold } from "../../viewer/gpu_hold.ts";
import { FenceDouble } from "./doubles.ts";

function setUp() {
  const gl = new FenceDouble();
  const hold = new GpuHold(gl);
  const leases = { live: 0, opened: 0 };
  /** A picture that nobody but the device needs any more. */
  const draw = () => {
    const lease = new FrameLease(leases, "decoder", () => {});
    hold.hold(lease);
    lease.release("decoder");
    return lease;
  };
  return { gl, hold, leases, draw };
}

Deno.test("gpu hold: a picture is held until the device has passed its fence", () => {
  const { gl, hold, leases, draw } = setUp();
  draw();
  hold.poll();
  assert.equal(leases.live, 1);
  gl.pass();
  draw();
  assert.equal(leases.live, 1);
  gl.pass();
  hold.poll();
  assert.deepEqual([leases.live, gl.open.size, hold.picturesHurried], [0, 0, 0]);
});

Deno.test("gpu hold: a picture that is drawn again is held once, until its last fence", () => {
  const { gl, hold, leases } = setUp();
  const lease = new FrameLease(leases, "cache", () => {});
  hold.hold(lease);
  gl.pass();
  hold.hold(lease);
  lease.release("cache");
  hold.poll();
  assert.deepEqual([leases.live, gl.open.size], [1, 1]);
  gl.pass();
  hold.poll();
  assert.deepEqual([leases.live, gl.open.size], [0, 0]);
});

Deno.test("gpu hold: the device is busy until it has passed the last fence, of a copied picture too", () => {
  const { gl, hold, draw } = setUp();
  assert.equal(hold.isBusy, false);
  draw();
  gl.pass();
  hold.hold(null);
  assert.equal(hold.isBusy, true);
  hold.hold(null);
  assert.deepEqual([hold.isBusy, gl.open.size], [true, 1]);
  gl.pass();
  assert.deepEqual([hold.isBusy, gl.open.size], [false, 0]);
});

Deno.test("gpu hold: a device that hangs holds four pictures at most", () => {
  const { gl, hold, leases, draw } = setUp();
  for (let drawn = 0; drawn < 100; drawn++) draw();
  assert.deepEqual([leases.live, hold.picturesHeld, hold.picturesHurried], [4, 4, 96]);
  hold.releaseAll();
  assert.deepEqual([leases.live, gl.open.size], [0, 0]);
});
