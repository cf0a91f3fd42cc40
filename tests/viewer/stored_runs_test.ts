/** The list of stored runs, the log, and what is said of them. */

import assert from "node:assert/strict";
import { formatBytes, formatDuration, formatShortCount } from "../../islands/format.ts";
import { LastValues, mostTelling } from "../../islands/last_values.ts";
import { LogsModel } from "../../islands/logs_model.ts";
import { runDurationMs } from "../../islands/run_tone.ts";
import { mergeRuns, StoredRuns } from "../../islands/stored_runs.ts";
import {
  encodeF64,
  type RunSummary,
  type StoredLogsPage,
  type StoredRun,
} from "../../proto/wire.ts";
import { waitFor } from "../harness/wait.ts";

const NO_ROWS = {
  steps: 0,
  episodes: 0,
  samples: 0,
  logs: 0,
  params: 0,
  histograms: 0,
  checkpoints: 0,
};

function stored(id: string, startedAtMs: number, tags: string[] = []): StoredRun {
  return {
    id,
    state: "finished",
    startedAtMs,
    lastRowAtMs: startedAtMs + 500,
    endedAtMs: startedAtMs + 1_000,
    tags,
    note: "",
    reason: "",
    rows: NO_ROWS,
  };
}

/** Pages of `limit` runs out of `all`, newest first. */
function pagesOf(all: () => StoredRun[]): ConstructorParameters<typeof StoredRuns>[0] {
  return ({ tag, word, after, limit }) => {
    const runs = all().filter(({ id, tags }) =>
      (tag === null || tags.includes(tag)) && word.every((text) => id.includes(text))
    );
    const first = after === null ? 0 : Number(after);
    const end = first + limit;
    return Promise.resolve({
      runs: runs.slice(first, end),
      next: end < runs.length ? String(end) : null,
    });
  };
}

const ids = (runs: readonly { id: string }[] | null) => runs?.map(({ id }) => id);

Deno.test("stored runs: pages are read one after another", async () => {
  const all = Array.from({ length: 250 }, (_, index) => stored(`run-${index}`, 1_000 - index));
  const model = new StoredRuns(pagesOf(() => all));
  await model.refresh();
  assert.deepEqual([model.runs.value!.length, model.hasMore.value], [100, true]);
  await model.readMore();
  assert.deepEqual([model.runs.value!.length, model.hasMore.value], [200, true]);
  await model.readMore();
  assert.deepEqual([model.runs.value!.length, model.hasMore.value], [250, false]);
});

Deno.test("stored runs: a search asks the server, and asks once for what is typed meanwhile", async () => {
  const all = Array.from({ length: 250 }, (_, index) => stored(`run-${index}`, 1_000 - index));
  const asked: string[] = [];
  const pages = pagesOf(() => all);
  const model = new StoredRuns((options) => {
    asked.push(options.word.join(" "));
    return pages(options);
  });
  await model.refresh();
  model.setText("r");
  model.setText("Run-24");
  const last = model.setText("Run-249 ");
  assert.deepEqual(ids(model.found.value), [], "it is on no page that is here");
  await last;
  assert.deepEqual(ids(model.found.value), ["run-249"]);
  assert.deepEqual(asked, ["", "run-249"]);
  assert.equal(model.hasMore.value, false);
  await model.setText("");
  assert.deepEqual([ids(model.found.value)!.length, model.hasMore.value], [100, true]);
  await model.readMore();
  assert.equal(new Set(ids(model.found.value)).size, 200, "none between is left out");
});

Deno.test("stored runs: after a search that failed its words are asked for, and nothing of before is mixed in", async () => {
  const all = Array.from({ length: 450 }, (_, index) => stored(`run-${index}`, 1_000 - index));
  const pages = pagesOf(() => all);
  let failing = false;
  const model = new StoredRuns((options) =>
    failing ? Promise.reject(new Error("no disk")) : pages(options)
  );
  await model.setText("run-4");
  failing = true;
  await model.setText("");
  await model.readMore();
  failing = false;
  await model.refresh();
  assert.deepEqual(ids(model.runs.value), all.slice(0, 100).map(({ id }) => id));
  await model.readMore();
  assert.deepEqual(ids(model.runs.value), all.slice(0, 200).map(({ id }) => id));
});

Deno.test("stored runs: read again, new ones come first, older ones stay, deleted ones go", async () => {
  let all = Array.from({ length: 150 }, (_, index) => stored(`run-${index}`, 1_000 - index));
  const model = new StoredRuns(pagesOf(() => all));
  await model.refresh();
  await model.readMore();
  all = [stored("new", 2_000), ...all.filter(({ id }) => id !== "run-3")];
  await model.refresh();
  const now = ids(model.runs.value)!;
  assert.equal(now[0], "new");
  assert.ok(!now.includes("run-3"));
  assert.equal(new Set(now).size, now.length);
  assert.ok(now.includes("run-149"));
});

Deno.test("stored runs: a tag asks the server; a failure is told, and over when it is", async () => {
  let failing = true;
  const pages = pagesOf(() => [stored("a", 2, ["ppo"]), stored("b", 1)]);
  const model = new StoredRuns((options) =>
    failing ? Promise.reject(new Error("no disk")) : pages(options)
  );
  await model.refresh();
  assert.equal(model.error.value, "no disk");
  failing = false;
  await model.refresh();
  assert.equal(model.error.value, null);
  model.setTag("ppo");
  await waitFor("the tagged", () => ids(model.runs.value)?.join() === "a");
});

Deno.test("runs: each stands once: as a card while it is live, in the list when it has ended and is stored", () => {
  const live = (id: string, phase: RunSummary["phase"]) => ({ id, phase }) as RunSummary;
  const { cards, rows } = mergeRuns(
    [live("going", "live"), live("over", "ended"), live("never-stored", "ended")],
    [stored("going", 3), stored("over", 2), stored("old", 1)],
    { text: "", tag: null },
  );
  assert.deepEqual(ids(cards), ["going", "never-stored"]);
  assert.deepEqual(ids(rows), ["over", "old"]);
});

Deno.test("runs: a live run is found by what is stored of it, one that is not stored by its name", () => {
  const live = (id: string, phase: RunSummary["phase"]) => ({ id, phase }) as RunSummary;
  const cards = (text: string, tag: string | null, found: StoredRun[] = []) =>
    ids(
      mergeRuns([live("going", "live"), live("never-stored", "ended")], found, { text, tag }).cards,
    );
  assert.deepEqual(cards("other", null), []);
  assert.deepEqual(cards("never", null), ["never-stored"]);
  assert.deepEqual(cards("", "ppo", [stored("going", 3, ["ppo"])]), ["going"]);
  assert.deepEqual(cards("", "ppo"), []);
});

Deno.test("runs: how long one took", () => {
  const run = stored("a", 1_000);
  assert.equal(runDurationMs(run, 9_000), 1_000);
  assert.equal(runDurationMs({ ...run, endedAtMs: null, state: "lost" }, 9_000), 500);
  assert.equal(runDurationMs({ ...run, endedAtMs: null, state: "running" }, 9_000), 8_000);
});

Deno.test("runs: the values that tell most stand first", () => {
  const series = ["lr", "train/loss", "charts/episodic_return", "zeta"].map((name, index) => ({
    name,
    samples: 1,
    lastValue: encodeF64(Float64Array.of(index)),
  }));
  assert.deepEqual(mostTelling(series), [
    ["charts/episodic_return", 2],
    ["train/loss", 1],
    ["lr", 0],
  ]);
});

Deno.test("log: its end first, then what comes; by level and by text", async () => {
  const lines: StoredLogsPage["logs"] = [];
  const add = (level: number, text: string) =>
    lines.push({ atMs: lines.length, level, source: "", text, step: null });
  for (let index = 0; index < 300; index++) add(2, `line ${index}`);
  const model = new LogsModel("a", (_run, from) => {
    const first = "tail" in from ? Math.max(0, lines.length - from.tail) : Number(from.after);
    return Promise.resolve({
      logs: lines.slice(first),
      next: null,
      end: String(lines.length),
    });
  });
  model.read();
  await waitFor("the end", () => model.lines.value?.length === 200);
  assert.equal(model.hasOlder.value, true);
  add(4, "it broke");
  model.read();
  await waitFor("the new line", () => model.lines.value?.length === 201);
  model.levelMin.value = 4;
  assert.deepEqual(model.shown.value.map(({ text }) => text), ["it broke"]);
  model.levelMin.value = 1;
  model.search.value = "LINE 29";
  assert.equal(model.shown.value.length, 10);
  model.readOlder();
  await waitFor("all of it", () => model.lines.value?.length === 301);
  assert.equal(model.hasOlder.value, false);
  model.stop();
});

Deno.test("log: an end of large lines comes in several pages", async () => {
  const lines = Array.from({ length: 300 }, (_, index) => ({
    atMs: index,
    level: 2,
    source: "",
    text: `line ${index}`,
    step: null,
  }));
  const model = new LogsModel("a", (_run, from) => {
    const first = "tail" in from ? Math.max(0, lines.length - from.tail) : Number(from.after);
    const end = Math.min(lines.length, first + 16);
    const next = end < lines.length ? String(end) : null;
    return Promise.resolve({ logs: lines.slice(first, end), next, end: String(end) });
  });
  model.read();
  await waitFor("the end", () => model.lines.value?.at(-1)?.text === "line 299");
  assert.equal(model.lines.value!.length, 200);
  assert.equal(model.hasOlder.value, true);
  model.stop();
});

Deno.test("format: durations, sizes, counts", () => {
  assert.deepEqual([7e3, 754e3, 18_189e3].map(formatDuration), ["0:07", "12:34", "5:03:09"]);
  assert.deepEqual([812, 1_536, 3.2 * 2 ** 30].map(formatBytes), ["812 B", "1.5 KiB", "3.2 GiB"]);
  assert.deepEqual([999, 12_340, 4_560_000].map(formatShortCount), ["999", "12.3 k", "4.56 M"]);
});

Deno.test("stored runs: last values that a busy server did not give are asked for again", async () => {
  let asked = 0;
  const values = new LastValues(() => {
    asked++;
    return asked < 3 ? Promise.reject(new Error("busy")) : Promise.resolve(null);
  }, 1);
  values.of("walker", 100);
  await waitFor("the third time", () => asked === 3);
  values.of("walker", 100);
  assert.equal(asked, 3, "nothing is read again for the same rows");
});
