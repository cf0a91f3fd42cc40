import assert from "node:assert/strict";
import { inLanes } from "./lanes.ts";

/** Jobs that end when they are told to, and what was started of them. */
function heldJobs(count: number) {
  const held = Array.from({ length: count }, () => Promise.withResolvers<string>());
  const started: number[] = [];
  const jobs = held.map(({ promise }, index) => () => {
    started.push(index);
    return promise;
  });
  return { held, started, jobs };
}

/** Lets whatever can go on go on. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("lanes: so many at a time, in order, and the results in that order", async () => {
  const { held, started, jobs } = heldJobs(4);
  const all = inLanes(2, jobs);
  assert.deepEqual(started, [0, 1]);
  held[1]!.resolve("b");
  await settled();
  assert.deepEqual(started, [0, 1, 2]);
  for (const [index, text] of ["a", "b", "c", "d"].entries()) held[index]!.resolve(text);
  assert.deepEqual(await all, ["a", "b", "c", "d"]);
});

Deno.test("lanes: after a failure nothing new begins", async () => {
  const { held, started, jobs } = heldJobs(4);
  const all = inLanes(2, jobs);
  held[0]!.reject(new Error("interrupted"));
  await assert.rejects(all, /interrupted/);
  held[1]!.resolve("b");
  await settled();
  assert.deepEqual(started, [0, 1]);
});
