import fc from "fast-check";
import assert from "node:assert/strict";
import { RECEIPT_MS_MAX, Receipts } from "../../core/receipts.ts";

/** Receipts with a clock by hand, and the answers in the order in which they came. */
function waiting() {
  const clock = { nowMs: 1_000 };
  const answers: [written: number, taken: boolean][] = [];
  const receipts = new Receipts(() => clock.nowMs);
  const expect = (written: number) =>
    receipts.expect(written, (taken) => answers.push([written, taken]));
  return { clock, receipts, answers, expect };
}

Deno.test("receipts: each is answered when its event is taken, in the ring's order", () => {
  const { receipts, answers, expect } = waiting();
  for (const written of [3, 5, 9]) expect(written);
  receipts.settle(2);
  assert.deepEqual(answers, []);
  receipts.settle(5);
  assert.deepEqual(answers, [[3, true], [5, true]]);
  assert(receipts.any);
  receipts.settle(100);
  assert.deepEqual(answers.at(-1), [9, true]);
  assert(!receipts.any);
});

Deno.test("receipts: a late one is given up when its time is over, and not sooner", () => {
  const { clock, receipts, answers, expect } = waiting();
  expect(1);
  clock.nowMs += 500;
  expect(2);
  clock.nowMs += RECEIPT_MS_MAX - 501;
  receipts.settle(0);
  assert.deepEqual(answers, []);
  clock.nowMs += 1;
  receipts.settle(0);
  assert.deepEqual(answers, [[1, false]]);
  clock.nowMs += 500;
  receipts.settle(2);
  assert.deepEqual(answers.at(-1), [2, true], "taken at the last moment");
});

Deno.test("receipts: when the ring is gone nobody takes anything", () => {
  const { receipts, answers, expect } = waiting();
  expect(1);
  expect(2);
  receipts.giveUp();
  assert.deepEqual(answers, [[1, false], [2, false]]);
  receipts.settle(2);
  assert.equal(answers.length, 2);
});

Deno.test("receipts: whatever happens, each is answered exactly once", () => {
  const event = fc.oneof(
    fc.constant("expect" as const),
    fc.record({ takenBy: fc.integer({ min: 0, max: 3 }), afterMs: fc.integer({ max: 3_000 }) }),
  );
  fc.assert(fc.property(fc.array(event, { maxLength: 50 }), (events) => {
    const { clock, receipts, answers, expect } = waiting();
    let written = 0;
    let taken = 0;
    for (const event of events) {
      if (event === "expect") expect(++written);
      else {
        clock.nowMs += Math.max(0, event.afterMs);
        receipts.settle(taken = Math.min(written, taken + event.takenBy));
      }
    }
    receipts.giveUp();
    assert.deepEqual(
      answers.map(([number]) => number),
      Array.from({ length: written }, (_, i) => i + 1),
    );
  }));
});
