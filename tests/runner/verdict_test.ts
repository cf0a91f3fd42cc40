import assert from "node:assert/strict";
import type { Suite } from "./suites.ts";
import { judge } from "./verdict.ts";

const harness: Suite = { name: "c", command: ["c"], minutesMax: 1, counted: "log" };
const tool: Suite = { name: "lint", command: ["lint"], minutesMax: 1, counted: "exit" };
const fine = { exitStatus: 0, seconds: 1, filtered: false, isPart: false };

Deno.test("verdict: a harness is taken at its word when it ends well", () => {
  const { counts, complaint } = judge(harness, fine, "9 passed, 0 failed\n");
  assert.deepEqual([counts.passed, counts.failed, complaint], [9, 0, undefined]);
});

Deno.test("verdict: a crash after the last test is a failure", () => {
  const { counts, complaint } = judge(
    harness,
    { ...fine, exitStatus: 139 },
    "9 passed, 0 failed\n",
  );
  assert.deepEqual([counts.passed, counts.failed], [9, 1]);
  assert.equal(complaint, "exited with status 139");
});

Deno.test("verdict: failed tests count as reported, also under exit status 0", () => {
  assert.equal(judge(harness, { ...fine, exitStatus: 1 }, "7 passed, 2 failed\n").counts.failed, 2);
  const { counts, complaint } = judge(harness, fine, "7 passed, 2 failed\n");
  assert.equal(counts.failed, 2);
  assert.match(complaint!, /although tests failed/);
});

Deno.test("verdict: a suite that runs no test has failed, unless a filter left none", () => {
  assert.equal(judge(harness, fine, "nothing to do\n").counts.failed, 1);
  assert.equal(judge(harness, { ...fine, filtered: true }, "nothing to do\n").counts.failed, 0);
});

Deno.test("verdict: one file of several may be skipped whole, a suite may not", () => {
  const log = "SKIP: no network\nok | 0 passed | 0 failed | 1 ignored (5ms)\n";
  assert.equal(judge(harness, fine, log).complaint, "ran no test");
  assert.equal(judge(harness, { ...fine, isPart: true }, log).complaint, undefined);
  assert.equal(judge(harness, { ...fine, isPart: true }, "").complaint, "ran no test");
});

Deno.test("verdict: a hang is called a hang", () => {
  const ending = { ...fine, exitStatus: 124, seconds: 60.1 };
  const { counts, complaint } = judge(harness, ending, "3 passed, 0 failed\n");
  assert.equal(counts.failed, 1);
  assert.equal(complaint, "hung: ended after 1 minutes");
});

Deno.test("verdict: a tool is one test, and its exit status tells", () => {
  assert.equal(judge(tool, fine, "").counts.passed, 1);
  const { counts } = judge(tool, { ...fine, exitStatus: 1 }, "3 passed, 0 failed");
  assert.deepEqual([counts.passed, counts.failed], [0, 1]);
});
