import assert from "node:assert/strict";
import fc from "fast-check";
import { nearNames } from "../../core/near_names.ts";
import { Pace } from "../../core/replay/pace.ts";
import { isReversed, parsePoint, type Point } from "../../core/replay/points.ts";
import { Replay } from "../../core/replay/replay.ts";
import { ROW_KINDS, type RowKind } from "../../core/storage/records.ts";
import { MemoryStore } from "../../core/storage/memory_store.ts";
import { atMs, START_UNIX_NS, StoredRun } from "../harness/stored_runs.ts";

interface Options {
  kinds?: RowKind[];
  series?: string[];
  from?: string;
  to?: string;
}

function replayOf(store: MemoryStore, runId: string, options: Options = {}): Replay {
  const point = (text: string | undefined) => text === undefined ? null : parsePoint("--at", text);
  return new Replay({
    reader: store,
    run: store.run(runId)!,
    kinds: new Set(options.kinds ?? ROW_KINDS),
    series: options.series ?? null,
    from: point(options.from),
    to: point(options.to),
    nowUnixNs: () => atMs(1e9),
  });
}

/** "steps 3": the kind, and the ms after the start. */
function rowsOf(replay: Replay): string[] {
  const rows: string[] = [];
  for (const { kind, timesUnixNs, from, to } of replay.round()) {
    for (const timeUnixNs of timesUnixNs.subarray(from, to)) {
      rows.push(`${kind} ${Number(timeUnixNs - START_UNIX_NS) / 1e6}`);
    }
  }
  return rows;
}

function timesOf(rows: string[]): number[] {
  return rows.map((row) => Number(row.split(" ")[1]));
}

Deno.test("replay: all kinds come in order of time, each row once, whoever sent them in what order", () => {
  const time = fc.integer({ min: 0, max: 200 });
  const client = fc.record({
    steps: fc.array(time),
    samples: fc.array(time),
    logs: fc.array(time),
  });
  fc.assert(fc.property(fc.array(client, { minLength: 1, maxLength: 3 }), (clients) => {
    const store = new MemoryStore();
    const wanted: string[] = [];
    for (const { steps, samples, logs } of clients) {
      const run = new StoredRun(store, "run");
      if (steps.length > 0) run.addSteps(steps.map((ms, step) => ({ ms, step })));
      if (samples.length > 0) run.addSamples(samples.map((ms) => ({ ms, series: "a", value: ms })));
      for (const ms of logs) run.addLog(ms, "line");
      for (const [kind, times] of Object.entries({ steps, samples, logs })) {
        wanted.push(...times.map((ms) => `${kind} ${ms}`));
      }
    }
    const rows = rowsOf(replayOf(store, "run"));
    const times = timesOf(rows);
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
    assert.deepEqual(rows.toSorted(), wanted.toSorted());
  }));
});

Deno.test("replay: pages are sorted across their border; what is later than that is counted", () => {
  const store = new MemoryStore();
  const run = new StoredRun(store, "run");
  // More than two pages of 8,192, two clients' rows turn about, one of them 1,000 rows behind.
  run.addSteps(Array.from({ length: 20_000 }, (_, n) => ({ ms: n % 2 ? n : n - 1_000, step: n })));
  const sorted = replayOf(store, "run");
  const times = timesOf(rowsOf(sorted));
  assert.equal(times.length, 20_000);
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  assert.equal(sorted.lateCount, 0);

  new StoredRun(store, "run").addSteps([{ ms: 5, step: 1 }]); // out of a spool
  const late = replayOf(store, "run");
  assert.equal(rowsOf(late).length, 20_001, "late, but not lost");
  assert.equal(late.lateCount, 1);
});

Deno.test("replay: the same samples when names come in another order in each page", () => {
  const store = new MemoryStore();
  const run = new StoredRun(store, "run");
  run.addSamples([{ ms: 9, series: "b", value: 9 }, { ms: 1, series: "a", value: 1 }]);
  const [slice] = [...replayOf(store, "run").round()];
  assert(slice?.kind === "samples");
  const { names, series, value } = slice.rows;
  const found = [...series].map((index, at) => [names[index], value[at]]);
  assert.deepEqual(found, [["a", 1], ["b", 9]]);
});

/** Steps at 0, 10, …, 990 ms, ten an episode; a sample and a line of the log 1 and 2 ms after each. */
function hundredSteps(): MemoryStore {
  const store = new MemoryStore();
  const run = new StoredRun(store, "run");
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  run.addSteps(numbers.map((step) => ({ ms: step * 10, step })));
  run.addSamples(numbers.map((step) => ({ ms: step * 10 + 1, series: "a", value: step, step })));
  for (const n of numbers) run.addLog(n * 10 + 2, "line");
  for (let n = 0; n < 10; n++) run.addEpisode(n, n * 100, n * 100 + 95);
  return store;
}

Deno.test("replay: from and to cut every kind at the same moment", () => {
  const store = hundredSteps();
  const cases: [options: Options, first: string, last: string, rows: number][] = [
    [{}, "steps 0", "episodes 995", 310],
    [{ from: "step:50" }, "steps 500", "episodes 995", 155],
    [{ to: "step:50" }, "steps 0", "logs 502", 158],
    [{ from: "step:7", to: "step:7" }, "steps 70", "logs 72", 3],
    [{ from: "episode:3", to: "episode:4" }, "steps 300", "episodes 495", 62],
    [{ from: "+500ms", to: "+0.505s" }, "steps 500", "logs 502", 3],
    [{ from: "-10ms" }, "steps 990", "episodes 995", 4],
    [{ from: "@1795257600.9", to: "@1795257600.905" }, "steps 900", "logs 902", 3],
    [{ from: "step:100" }, "", "", 0],
  ];
  for (const [options, first, last, count] of cases) {
    const rows = rowsOf(replayOf(store, "run", options));
    const seen = [rows[0] ?? "", rows.at(-1) ?? "", rows.length];
    assert.deepEqual(seen, [first, last, count], JSON.stringify(options));
  }
});

Deno.test("replay: steps are found by the samples of a run that stores nothing else", () => {
  const store = new MemoryStore();
  const run = new StoredRun(store, "run");
  run.addSamples([1, 2, 3].map((step) => ({ ms: step * 10, series: "a", value: 0, step })));
  run.addLog(25, "line");
  const rows = rowsOf(replayOf(store, "run", { from: "step:2" }));
  assert.deepEqual(rows, ["samples 20", "logs 25", "samples 30"]);
});

Deno.test("replay: further rounds give what came since then, and tell the end", () => {
  const store = new MemoryStore();
  const run = new StoredRun(store, "run");
  run.addSteps([{ ms: 0, step: 0 }]);
  const replay = replayOf(store, "run");
  assert.equal(replay.look(), "goes on");
  assert.deepEqual(rowsOf(replay), ["steps 0"]);
  run.addLog(3, "line");
  run.addSteps([{ ms: 2, step: 1 }]);
  assert.equal(replay.look(), "goes on");
  assert.deepEqual(rowsOf(replay), ["steps 2", "logs 3"]);
  run.finish(5);
  assert.equal(replay.look(), "ended");
  assert.deepEqual(rowsOf(replay), []);
  store.deleteRun("run");
  assert.equal(replay.look(), "deleted");
});

Deno.test("replay: a start that has not come yet is waited for, an end that came is the end", () => {
  const store = new MemoryStore();
  const run = new StoredRun(store, "run");
  run.addSteps([{ ms: 0, step: 0 }]);
  const replay = replayOf(store, "run", { from: "step:2", to: "step:3" });
  assert.equal(replay.begun, false);
  assert.deepEqual(rowsOf(replay), []);
  run.addSteps([{ ms: 10, step: 1 }, { ms: 20, step: 2 }, { ms: 30, step: 3 }]);
  run.addLog(35, "inside");
  assert.equal(replay.look(), "goes on");
  assert.deepEqual(rowsOf(replay), ["steps 20", "steps 30", "logs 35"]);
  run.addSteps([{ ms: 40, step: 4 }]);
  run.addLog(45, "outside");
  assert.equal(replay.look(), "ended");
  assert.deepEqual(rowsOf(replay), []);
});

Deno.test("replay: points are read as they are written, and nothing else is", () => {
  const cases: [string, Point][] = [
    ["step:100", { by: "step", step: 100n }],
    ["episode:3", { by: "episode", episode: 3n }],
    ["step:18446744073709551615", { by: "step", step: 2n ** 64n - 1n }],
    ["2026-11-21T10:40:00Z", { by: "time", timeUnixNs: START_UNIX_NS }],
    ["2026-11-21T11:40:00.000000001+01:00", { by: "time", timeUnixNs: START_UNIX_NS + 1n }],
    ["2026-11-21 10:40z", { by: "time", timeUnixNs: START_UNIX_NS }],
    ["@1795257600.5", { by: "time", timeUnixNs: START_UNIX_NS + 500_000_000n }],
    ["+30s", { by: "start", afterNs: 30_000_000_000n }],
    ["+1.5m", { by: "start", afterNs: 90_000_000_000n }],
    ["-2h", { by: "end", beforeNs: 7_200_000_000_000n }],
  ];
  for (const [text, point] of cases) assert.deepEqual(parsePoint("--from", text), point, text);
  const local = parsePoint("--from", "2026-11-21T10:40:00");
  assert.deepEqual(local, {
    by: "time",
    timeUnixNs: BigInt(new Date(2026, 10, 21, 10, 40).getTime()) * 1_000_000n,
  });
  const wrong = ["", "step", "step:-1", "step:1.5", "step:18446744073709551616", "30s", "+30"];
  for (const text of [...wrong, "tomorrow", "2026-13-01", "episode:x"]) {
    assert.throws(() => parsePoint("--from", text), /^UserError: --from is ".*", expected step:N/);
  }
});

Deno.test("replay: an end before the start is told where the two can be compared", () => {
  const reversed = (from: string, to: string) =>
    isReversed(parsePoint("--from", from), parsePoint("--to", to));
  const ascending = [["step:3", "step:4"], ["episode:0", "episode:1"], ["@5", "@5.5"]];
  for (const [from, to] of [...ascending, ["+1s", "+1m"], ["-1m", "-1s"]] as [string, string][]) {
    assert.deepEqual([reversed(from, to), reversed(to, from)], [false, true], `${from} ${to}`);
    assert.equal(reversed(from, from), false);
  }
  assert.equal(reversed("step:9", "episode:1"), false);
});

Deno.test("replay: rows wait as long as they did, by the speed", () => {
  let nowMs = 1_000;
  const pace = new Pace({ speed: 10, nowMs: () => nowMs });
  assert.equal(pace.waitMs(atMs(0)), 0, "the first waits for nothing");
  assert.equal(pace.waitMs(atMs(500)), 50);
  nowMs += 30;
  assert.equal(pace.waitMs(atMs(500)), 20);
  nowMs += 30;
  assert.equal(pace.waitMs(atMs(500)), 0, "what is overdue comes at once");
  assert.equal(new Pace({ speed: Infinity, nowMs: () => 0 }).waitMs(atMs(1e6)), 0);
});

Deno.test("replay: names that may have been meant", () => {
  const names = ["cartpole-1", "cartpole-2", "ant", "Humanoid"];
  assert.deepEqual(nearNames("cartpol-1", names).slice(0, 1), ["cartpole-1"]);
  assert.deepEqual(nearNames("humanoid", names), ["Humanoid"]);
  assert.deepEqual(nearNames("cartpole", names), ["cartpole-1", "cartpole-2"]);
  assert.deepEqual(nearNames("zzzzzz", names), []);
});
