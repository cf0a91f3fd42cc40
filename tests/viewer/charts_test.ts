/** What charts draw, and what of a run is read for them. */

import fc from "fast-check";
import assert from "node:assert/strict";
import { ChartsModel, groupSeries } from "../../islands/charts_model.ts";
import { EPISODE_LENGTH, EPISODE_RETURN, Episodes } from "../../islands/episodes.ts";
import type { fetchWindows, SeriesColumns } from "../../islands/history_api.ts";
import { axisFor, plotColumns, smooth, timeRangeOf } from "../../islands/plot_columns.ts";
import { SeriesData } from "../../islands/series_data.ts";
import { thin } from "../../islands/thin.ts";
import { type Commits, encodeF64, type StoredEpisodesPage } from "../../proto/wire.ts";
import { waitFor } from "../harness/wait.ts";

const f64 = (values: number[]) => encodeF64(Float64Array.from(values));

/** One sample a second, ten steps apart. */
function columns(values: number[], from = 0): SeriesColumns {
  return {
    timeS: values.map((_, index) => from + index),
    step: values.map((_, index) => 10 * (from + index)),
    value: values,
    min: null,
    max: null,
  };
}

function commits(samples: [name: string, timeS: number, value: number][], missed = false): Commits {
  return {
    run: "a",
    rows: { samples: samples.length },
    missed,
    samples: samples.map(([name, timeS, value]) => ({
      name,
      timeUnixS: f64([timeS]),
      step: f64([10 * timeS]),
      value: f64([value]),
    })),
  };
}

const DRAWN = { axis: "step", logY: false, smoothing: 0 } as const;

Deno.test("plot: NaN and infinities are gaps; on a log axis what is not above 0 too, and bands begin above it", () => {
  const series = columns([1, NaN, -2, Infinity, 0]);
  assert.deepEqual(plotColumns(series, DRAWN).line, [1, null, -2, null, 0]);
  assert.deepEqual(plotColumns(series, DRAWN).x, [0, 10, 20, 30, 40]);
  const band = { ...columns([2, 3]), min: [-1, 0.5], max: [4, 5] };
  const log = plotColumns(band, { ...DRAWN, logY: true });
  assert.deepEqual([log.low, log.high], [[0.5, 0.5], [4, 5]]);
  assert.deepEqual(plotColumns(series, { ...DRAWN, logY: true }).line, [1, null, null, null, null]);
});

Deno.test("plot: a run taken up again is drawn in the order of its steps, one without steps over time", () => {
  const again = { ...columns([1, 2, 3, 4]), step: [0, 10, 20, 10] };
  const drawn = plotColumns(again, DRAWN);
  assert.deepEqual([drawn.x, drawn.line], [[0, 10, 10, 20], [1, 2, 4, 3]]);
  const timed = { ...columns([1, 2], 5), step: [NaN, NaN] };
  assert.equal(axisFor(timed, "step"), "time");
  assert.deepEqual(plotColumns(timed, DRAWN).x, [5, 6]);
  const some = { ...columns([1, 2, 3]), step: [NaN, 7, 8] };
  assert.deepEqual(plotColumns(some, DRAWN).x, [7, 8], "what has no step has no place");
});

Deno.test("plot: smoothing keeps constants and gaps, and begins with the first value", () => {
  assert.deepEqual(smooth([3, null, 3, 3], 0.9).map((value) => value && Math.round(value)), [
    3,
    null,
    3,
    3,
  ]);
  const [first, second] = smooth([1, 3], 0.5);
  assert.equal(first, 1);
  assert.ok(Math.abs(second! - (0.5 * 0.5 * 1 + 0.5 * 3) / 0.75) < 1e-12);
});

Deno.test("plot: a part of the axis of steps is a time, with a neighbour on each side", () => {
  const series = columns([1, 2, 3, 4, 5], 100);
  assert.deepEqual(timeRangeOf(series, "step", 1010, 1020), { fromS: 100, toS: 103 });
  assert.deepEqual(timeRangeOf(series, "step", 1012, 1018), { fromS: 101, toS: 102 });
  assert.deepEqual(timeRangeOf(series, "time", 3, 4), { fromS: 3, toS: 4 });
  assert.equal(timeRangeOf(series, "step", 2000, 3000), null);
});

Deno.test("series: what is not newer is not added again, and bands go on with single samples", () => {
  const data = new SeriesData({ ...columns([1, 2]), min: [0, 1], max: [2, 3] });
  assert.equal(data.append(columns([9, 3, 4], 1)), 2);
  assert.deepEqual(data.timeS, [0, 1, 2, 3]);
  assert.deepEqual([data.value, data.min, data.max], [[1, 2, 3, 4], [0, 1, 3, 4], [2, 3, 3, 4]]);
});

Deno.test("series: behind points that stand for many samples few single ones are kept", () => {
  const read = { ...columns(Array(100).fill(1)), min: Array(100).fill(0), max: Array(100).fill(2) };
  const data = new SeriesData(read);
  data.append(columns(Array(50).fill(1), 100));
  assert.equal(data.overfull, false);
  data.append(columns([1], 150));
  assert.equal(data.overfull, true);
});

Deno.test("thin: every bucket's mean lies within its band, and no extreme is lost", () => {
  fc.assert(fc.property(
    fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 300 }),
    fc.integer({ min: 1, max: 50 }),
    (values, points) => {
      const { timeS, value, min, max } = thin(columns(values), points);
      assert.ok(timeS.length <= Math.max(points, Math.min(points, values.length)));
      if (min === null || max === null) return assert.deepEqual(value, values);
      assert.equal(Math.min(...Array.from(min)), Math.min(...values));
      assert.equal(Math.max(...Array.from(max)), Math.max(...values));
      for (let index = 0; index < timeS.length; index++) {
        assert.ok(value[index]! >= min[index]! - 1e-6 && value[index]! <= max[index]! + 1e-6);
      }
    },
  ));
  assert.deepEqual(thin(columns([NaN, 2, NaN, NaN]), 2).value, [2, NaN]);
});

Deno.test("charts: groups by what stands before the first slash, numbers in their order", () => {
  assert.deepEqual(groupSeries(["train/b", "lr", "train/a", "a/x/y", "a/z", "/odd"]), [
    ["", ["lr", "/odd"]],
    ["a", ["a/x/y", "a/z"]],
    ["train", ["train/b", "train/a"]],
  ]);
  assert.deepEqual(groupSeries(["eval/return", "lr", "perf/fps", "train/a", "train/b"]), [
    ["", ["eval/return", "lr", "perf/fps"]],
    ["train", ["train/a", "train/b"]],
  ], "a group of one is none");
});

/** A server of one series a name, `values` long, that counts what it is asked. */
class WindowsDouble {
  readonly asked: Parameters<typeof fetchWindows>[1][] = [];
  values = [1, 2, 3];
  failure: string | null = null;
  /** Resolves when the next answer may go. */
  gate: Promise<void> = Promise.resolve();

  readonly fetch: typeof fetchWindows = async (_run, options) => {
    this.asked.push(options);
    const answer = options.series.map((name) => ({
      name,
      samples: this.values.length,
      ...columns(this.values),
    }));
    await this.gate;
    if (this.failure !== null) throw new Error(this.failure);
    return answer;
  };

  model(): ChartsModel {
    const model = new ChartsModel({
      run: "a",
      fetchWindows: this.fetch,
      nowMs: () => performance.now(),
      axis: "step",
      logY: false,
      smoothing: 0,
    });
    model.setSeries(["loss", "return", "lr"].map((name) => ({ name, lastValue: 0 })));
    return model;
  }
}

async function loaded(model: ChartsModel, name: string): Promise<number[]> {
  const entry = model.entry(name);
  const data = await waitFor(`points of ${name}`, () => model.dataOf(entry));
  return data.value;
}

Deno.test("charts: only what is in sight is read, together", async () => {
  const server = new WindowsDouble();
  const model = server.model();
  model.setVisible(model.entry("loss"), true);
  model.setVisible(model.entry("lr"), true);
  assert.deepEqual(await loaded(model, "lr"), [1, 2, 3]);
  assert.deepEqual(server.asked.map(({ series, range }) => [series, range]), [
    [["loss", "lr"], null],
  ]);
  model.onCommits(commits([["loss", 3, 4], ["return", 3, 5], ["new", 3, 6]]));
  assert.deepEqual(await loaded(model, "loss"), [1, 2, 3, 4]);
  assert.equal(model.dataOf(model.entry("return")), null, "out of sight");
  assert.ok(model.names.includes("new"));
  model.stop();
});

Deno.test("charts: samples that come while a series is read stand behind it, once", async () => {
  const server = new WindowsDouble();
  const gate = Promise.withResolvers<void>();
  server.gate = gate.promise;
  const model = server.model();
  model.setVisible(model.entry("loss"), true);
  await waitFor("the read", () => server.asked.length === 1);
  model.onCommits(commits([["loss", 2, 3]]));
  model.onCommits(commits([["loss", 3, 4]]));
  gate.resolve();
  assert.deepEqual(await loaded(model, "loss"), [1, 2, 3, 4]);
  model.stop();
});

Deno.test("charts: what was missed is read again", async () => {
  const server = new WindowsDouble();
  const model = server.model();
  model.setVisible(model.entry("loss"), true);
  await loaded(model, "loss");
  server.values = [1, 2, 3, 4, 5];
  model.onCommits(commits([], true));
  await waitFor("all of it", () => model.dataOf(model.entry("loss"))!.points === 5);
  model.stop();
});

Deno.test("charts: zoomed to a part, that part is read and stands still; the whole has gone on meanwhile", async () => {
  const server = new WindowsDouble();
  const model = server.model();
  const entry = model.entry("loss");
  model.setVisible(entry, true);
  await loaded(model, "loss");
  server.values = [1, 1.5, 2];
  model.zoomTo(entry, "step", 0, 10);
  assert.deepEqual(model.dataOf(entry)!.value, [1, 2, 3], "the whole stands in");
  await waitFor("the part", () => model.dataOf(entry)!.value[1] === 1.5);
  assert.deepEqual(server.asked.at(-1)!.range, { fromS: 0, toS: 2 });
  const drawn = entry.version.value;
  model.onCommits(commits([["loss", 3, 4]]));
  assert.equal(entry.version.value, drawn);
  model.resetZoom();
  assert.deepEqual(model.dataOf(entry)!.value, [1, 2, 3, 4]);
  assert.notEqual(entry.version.value, drawn);
  model.stop();
});

Deno.test("charts: a read that fails is told and tried again", async () => {
  const server = new WindowsDouble();
  server.failure = "the disk is gone";
  const model = server.model();
  const entry = model.entry("loss");
  model.setVisible(entry, true);
  await waitFor("the failure", () => entry.error.value === "the disk is gone");
  server.failure = null;
  await loaded(model, "loss");
  assert.equal(entry.error.value, null);
  model.stop();
});

Deno.test("charts: a series that grows beyond what is worth keeping is read again, thinned", async () => {
  const server = new WindowsDouble();
  const model = server.model();
  const entry = model.entry("loss");
  model.setVisible(entry, true);
  await loaded(model, "loss");
  model.append("loss", columns(Array(6_000).fill(1), 3));
  assert.equal(model.dataOf(entry)!.points, 6_003);
  server.values = [7, 8];
  await waitFor("the thinned series", () => model.dataOf(entry)!.points === 2);
  model.stop();
});

Deno.test("charts: out of sight, or behind a part that is shown, a series does not grow without end", async () => {
  const server = new WindowsDouble();
  const model = server.model();
  const [loss, lr] = [model.entry("loss"), model.entry("lr")];
  model.setVisible(loss, true);
  model.setVisible(lr, true);
  await loaded(model, "lr");
  model.setVisible(lr, false);
  model.append("lr", columns(Array(6_000).fill(1), 3));
  assert.equal(lr.overview, null, "it is read again when it is seen");
  model.zoomTo(loss, "step", 0, 10);
  await waitFor("the part", () => loss.detail);
  model.append("loss", columns(Array(6_000).fill(1), 3));
  assert.equal(loss.overview, null);
  model.resetZoom();
  assert.deepEqual(await loaded(model, "loss"), [1, 2, 3]);
  model.stop();
});

Deno.test("charts: those that grow are drawn in turns, none of them left out", async () => {
  const server = new WindowsDouble();
  const model = server.model();
  const entries = ["loss", "return", "lr"].map((name) => model.entry(name));
  for (const entry of entries) model.setVisible(entry, true);
  await loaded(model, "lr");
  const versions = () => entries.map(({ version }) => version.value);
  const before = versions();
  for (let round = 0; round < 50; round++) {
    model.onCommits(commits(entries.map(({ name }) => [name, 3 + round, 1])));
  }
  assert.deepEqual(versions(), before, "nothing is drawn while commits are taken");
  const grown = () => versions().map((version, index) => version - before[index]!);
  await waitFor("all of them", () => grown().every((times) => times > 0));
  assert.deepEqual(grown(), [1, 1, 1]);
  assert.equal(model.dataOf(entries[0]!)!.points, 53);
  model.stop();
});

Deno.test("charts: every word of a search stands in the name", () => {
  const model = new WindowsDouble().model();
  model.search.value = "L r";
  assert.deepEqual(model.shown.value, ["lr"]);
  model.search.value = "";
  assert.deepEqual(model.shown.value, ["loss", "lr", "return"]);
});

Deno.test("episodes: pages become two series over the sum of steps, and go on from their end", async () => {
  const episode = (index: number): StoredEpisodesPage["episodes"][number] => ({
    episode: index,
    endedAtMs: 1_000 * index,
    length: 10,
    episodeReturn: f64([index / 2]),
    terminated: true,
    truncated: false,
  });
  const asked: (string | null)[] = [];
  const pages: Record<string, StoredEpisodesPage> = {
    start: { episodes: [episode(1), episode(2)], next: "2", end: "2" },
    "2": { episodes: [episode(3)], next: null, end: "3" },
    "3": { episodes: [episode(4)], next: null, end: "4" },
  };
  const episodes = new Episodes("a", (_run, after) => {
    asked.push(after);
    return Promise.resolve(pages[after ?? "start"]!);
  });
  const returns = await episodes.window(EPISODE_RETURN, null, 100);
  assert.deepEqual([returns.timeS, returns.step, returns.value], [
    [1, 2, 3],
    [10, 20, 30],
    [0.5, 1, 1.5],
  ]);
  await episodes.read();
  assert.deepEqual(asked, [null, "2", "3"]);
  const lengths = await episodes.window(EPISODE_LENGTH, { fromS: 2, toS: 3 }, 100);
  assert.deepEqual([lengths.timeS, lengths.value], [[2, 3], [10, 10]]);
  assert.equal((await episodes.window(EPISODE_RETURN, { fromS: 9, toS: 10 }, 100)).samples, 0);
});
