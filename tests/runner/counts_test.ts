import assert from "node:assert/strict";
import { closingLine, countTests, sumOf } from "./counts.ts";

Deno.test("counts: Deno's summary, coloured or not, with steps, filters and ignored tests", () => {
  const plain = countTests("ok | 7 passed (2 steps) | 0 failed | 3 filtered out (23ms)\n");
  assert.deepEqual([plain.passed, plain.failed, plain.skipped], [7, 0, 0]);

  const coloured = countTests(
    "\x1b[0m\x1b[31mFAILED\x1b[0m | 11 passed | 2 failed (1 step) (1s)\n",
  );
  assert.deepEqual([coloured.passed, coloured.failed], [11, 2]);
});

Deno.test("counts: the closing lines of several harnesses add up", () => {
  const counts = countTests("asan\n12 passed, 0 failed\ntsan\n5 passed, 1 failed, 2 skipped\n");
  assert.deepEqual([counts.passed, counts.failed, counts.skipped], [17, 1, 2]);
});

Deno.test("counts: a skipped test counts once, with its reason where it gives one", () => {
  const counts = countTests(
    "SKIP: gymnasium: PyPI cannot be reached\n" +
      "gymnasium ... ignored (0ms)\nh264 ... ignored (0ms)\n" +
      "ok | 1 passed | 0 failed | 2 ignored (5ms)\n",
  );
  assert.equal(counts.skipped, 2);
  assert.deepEqual(counts.skipReasons, ["gymnasium: PyPI cannot be reached", "h264"]);
});

Deno.test("counts: prose about passing and failing is no summary", () => {
  const counts = countTests("the 3 passed frames, 0 failed\n  5 passed, 1 failed\nok | fine\n");
  assert.deepEqual([counts.passed, counts.failed], [0, 0]);
});

Deno.test("counts: the closing line reads back as what it says", () => {
  const counts = { passed: 8, failed: 1, skipped: 1, skipReasons: ["why"] };
  assert.equal(closingLine(counts), "8 passed, 1 failed, 1 skipped");
  const { passed, failed, skipped } = countTests(closingLine(counts));
  assert.deepEqual([passed, failed, skipped], [8, 1, 1]);
});

Deno.test("counts: those of several files add up, with their reasons", () => {
  const one = { passed: 2, failed: 0, skipped: 1, skipReasons: ["no ffmpeg"] };
  const other = { passed: 3, failed: 1, skipped: 0, skipReasons: [] };
  const both = { passed: 5, failed: 1, skipped: 1, skipReasons: ["no ffmpeg"] };
  assert.deepEqual(sumOf([one, other]), both);
});
