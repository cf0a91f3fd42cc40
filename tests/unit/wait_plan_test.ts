import fc from "fast-check";
import assert from "node:assert/strict";
import { planWait } from "../../core/wait_plan.ts";

const NOW_NS = 1000;

Deno.test("wait plan: nobody can take anything: nothing is waited for", () => {
  assert.equal(planWait([], 5, NOW_NS), null);
});

Deno.test("wait plan: viewers that wait for frames are served by the hub alone", () => {
  const plan = planWait([{ afterFrame: 5, dueNs: 0 }, { afterFrame: 7, dueNs: 2000 }], 5, NOW_NS);
  assert.deepEqual(plan, { arm: { afterFrame: 5, notBeforeNs: 0 }, timerNs: null });
});

Deno.test("wait plan: so are viewers whose frame is there and not due yet", () => {
  const plan = planWait(
    [{ afterFrame: 3, dueNs: 3000 }, { afterFrame: 4, dueNs: 2000 }],
    5,
    NOW_NS,
  );
  assert.deepEqual(plan, { arm: { afterFrame: 3, notBeforeNs: 2000 }, timerNs: null });
});

Deno.test("wait plan: where there are both, a timer does for those who wait for their time", () => {
  const plan = planWait([{ afterFrame: 5, dueNs: 0 }, { afterFrame: 3, dueNs: 2000 }], 5, NOW_NS);
  assert.deepEqual(plan, { arm: { afterFrame: 5, notBeforeNs: 0 }, timerNs: 2000 });
});

Deno.test("wait plan: every viewer is looked at no later than its frame and its time allow", () => {
  const waiter = fc.record({ afterFrame: fc.nat(20), dueNs: fc.nat(5000) });
  fc.assert(fc.property(
    fc.array(waiter, { minLength: 1, maxLength: 8 }),
    fc.nat(20),
    (waiters, headFrame) => {
      const { arm, timerNs } = planWait(waiters, headFrame, NOW_NS)!;
      for (const { afterFrame, dueNs } of waiters) {
        const byHub = arm.afterFrame <= afterFrame && arm.notBeforeNs <= Math.max(dueNs, 0);
        const byTimer = timerNs !== null && timerNs <= dueNs;
        assert(byHub || byTimer);
      }
    },
  ));
});

Deno.test("wait plan: an event of the hub never comes at once for nothing, again and again", () => {
  const waiter = fc.record({ afterFrame: fc.nat(20), dueNs: fc.nat(5000) });
  fc.assert(fc.property(
    fc.array(waiter, { minLength: 1, maxLength: 8 }),
    fc.nat(20),
    (waiters, headFrame) => {
      // What can be sent now has been sent before a plan is made.
      const unserved = waiters.filter((one) => one.afterFrame >= headFrame || one.dueNs > NOW_NS);
      const plan = planWait(unserved, headFrame, NOW_NS);
      if (plan === null) return;
      assert(plan.arm.afterFrame >= headFrame || plan.arm.notBeforeNs > NOW_NS);
    },
  ));
});
