import assert from "node:assert/strict";
import type { Box, Check, Finding } from "../../cli/doctor/check.ts";
import { CHECKS } from "../../cli/doctor/checks.ts";
import { changesOf, isWell, jsonOf, reportLines } from "../../cli/doctor/report.ts";
import { runChecks } from "../../cli/doctor/run_checks.ts";
import { inBytes, plural } from "../../cli/doctor/text.ts";
import { DEFAULT_SETTINGS } from "../../core/settings.ts";

const box: Box = {
  environment: {},
  dataDir: "/nowhere",
  settings: DEFAULT_SETTINGS,
  library: null,
  program: [],
  nowMs: 0,
};

const fine: Check = { name: "fine", run: () => [{ name: "fine", level: "ok", text: "as it is" }] };

function worth(level: "warn" | "fail", command: string): Finding {
  return { name: command, level, text: "bad", change: { why: `${command} is bad`, command } };
}

Deno.test("doctor: a check that hangs, throws or rejects is one line, and holds up no other", async () => {
  let given: AbortSignal | undefined;
  const hangs: Check = {
    name: "hangs",
    msMax: 20,
    run: (_, signal) => {
      given = signal;
      return new Promise(() => {});
    },
  };
  const throws: Check = {
    name: "throws",
    run: () => {
      throw new Error("no such thing");
    },
  };
  const rejects: Check = { name: "rejects", run: () => Promise.reject(new Error("gone")) };
  const findings = await runChecks([hangs, throws, fine, rejects], box);
  assert.deepEqual(findings.map(({ name, level, text }) => [name, level, text]), [
    ["hangs", "warn", "no answer in 0.02 s"],
    ["throws", "warn", "cannot tell: no such thing"],
    ["fine", "ok", "as it is"],
    ["rejects", "warn", "cannot tell: gone"],
  ]);
  assert(given!.aborted, "what it has started is told to end");
});

Deno.test("doctor: all checks together are over in less than five seconds, whatever hangs", () => {
  const startMs = 1_000;
  assert(CHECKS.every(({ msMax = 3_000 }) => msMax + startMs <= 5_000));
});

Deno.test("doctor: what stops serve comes first, each change once, at most three", () => {
  const findings = [
    worth("warn", "a"),
    worth("warn", "b"),
    worth("fail", "c"),
    worth("warn", "b"),
    worth("warn", "d"),
  ];
  assert.deepEqual(changesOf(findings).map(({ command }) => command), ["c", "a", "b"]);
  assert.equal(isWell(findings), false);
  assert.equal(isWell([worth("warn", "a")]), true);
});

Deno.test("doctor: the report is narrow, plain in a pipe, and its commands are whole", () => {
  const long = "word ".repeat(60).trim();
  const command = `sudo ${"x".repeat(100)}`;
  const findings: Finding[] = [
    { name: "name", level: "ok", text: long },
    { name: "other", level: "warn", text: "two\nlines\x1b[31m", change: { why: long, command } },
  ];
  const lines = reportLines(findings, 200);
  // deno-lint-ignore no-control-regex -- colours are escape sequences
  assert(lines.every((line) => !/\x1b/.test(line)));
  assert(lines.every((line) => line.length <= 80 || line.trim() === command), lines.join("\n"));
  assert(lines.includes("warn  other      two lines [31m"));
  assert(lines.includes("serve can run here. Worth changing:"));
  assert(lines.some((line) => line.startsWith("1. word")));
  const narrow = reportLines(findings, 10);
  assert(narrow.every((line) => line.length <= 40 || line.trim() === command));
  const nothing = reportLines([fine.run(box, AbortSignal.any([])) as Finding[]].flat(), 80);
  assert.equal(nothing.at(-1), "serve can run here. Nothing needs a change.");
});

Deno.test("doctor: JSON has all of it, and says whether serve can run", () => {
  const about = { version: "1.2.3", host: "box", tookMs: 12.3 };
  const found = jsonOf([worth("fail", "c")], about) as Record<string, unknown>;
  assert.deepEqual([found.can_serve, found.took_ms, found.version], [false, 12, "1.2.3"]);
  assert.deepEqual(found.worth_changing, [{ why: "c is bad", command: "c" }]);
  const [check] = found.checks as Record<string, unknown>[];
  assert.deepEqual(Object.keys(check!), ["name", "level", "text", "facts", "change"]);
});

Deno.test("doctor: sizes and counts read well", () => {
  assert.deepEqual([0, 900, 1536, 64 * 1024 ** 2, 3.76 * 1024 ** 3].map(inBytes), [
    "0 B",
    "900 B",
    "1.5 KiB",
    "64 MiB",
    "3.8 GiB",
  ]);
  assert.deepEqual([plural(1, "CPU"), plural(2, "CPU")], ["1 CPU", "2 CPUs"]);
});
