import assert from "node:assert/strict";
import { FrameLease, type LeaseRole } from "../../viewer/frame_lease.ts";

function setUp() {
  const registry = { live: 0, opened: 0 };
  const closed: string[] = [];
  const open = (name: string, role: LeaseRole = "decoder") =>
    new FrameLease(registry, role, () => closed.push(name));
  return { registry, closed, open };
}

Deno.test("frame lease: the role that lets go last closes the picture, once", () => {
  const { registry, closed, open } = setUp();
  const lease = open("picture");
  lease.take("presenter");
  lease.release("decoder");
  lease.take("cache");
  lease.take("renderer");
  lease.release("presenter");
  lease.release("cache");
  assert.deepEqual([closed, registry.live, lease.holds("renderer")], [[], 1, true]);
  lease.release("renderer");
  assert.deepEqual([closed, registry], [["picture"], { live: 0, opened: 1 }]);
});

Deno.test("frame lease: every order of letting go closes it at the end", () => {
  const roles: LeaseRole[] = ["decoder", "presenter", "renderer", "cache"];
  const orders = (rest: LeaseRole[]): LeaseRole[][] =>
    rest.length === 0
      ? [[]]
      : rest.flatMap((role) =>
        orders(rest.filter((other) => other !== role)).map((order) => [role, ...order])
      );
  for (const order of orders(roles)) {
    const { closed, open } = setUp();
    const lease = open("picture", roles[0]);
    for (const role of roles.slice(1)) lease.take(role);
    for (const [index, role] of order.entries()) {
      assert.equal(closed.length, 0, `${order} at ${index}`);
      lease.release(role);
    }
    assert.equal(closed.length, 1);
  }
});

Deno.test("frame lease: taking twice, releasing twice and use after the end are bugs, and said", () => {
  const { open } = setUp();
  const lease = open("picture");
  assert.throws(() => lease.take("decoder"), /takes a picture that it has/);
  assert.throws(() => lease.release("cache"), /releases a picture that it does not have/);
  lease.release("decoder");
  assert.throws(() => lease.release("decoder"), /releases a picture that it does not have/);
  assert.throws(() => lease.take("cache"), /takes a picture that is closed/);
});
