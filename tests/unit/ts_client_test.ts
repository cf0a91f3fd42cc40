/** Parts of the TypeScript client and of `telebridge run` that need no server. */

import assert from "node:assert/strict";
import { LineSplitter } from "../../cli/line_splitter.ts";
import { shownText } from "../../cli/run_records.ts";
import { boundedText } from "../../clients/ts/checks.ts";
import { Coalescer } from "../../clients/ts/coalescer.ts";
import { histogramOf } from "../../clients/ts/histogram.ts";
import type { Batch } from "../../clients/ts/lane.ts";
import { Meter } from "../../clients/ts/meter.ts";
import { Spool } from "../../clients/ts/spool.ts";

const about = {
  runId: "a",
  streamId: "0123456789abcdef0123456789abcdef",
  startTimeUnixNs: "1",
  tags: [],
  metadataJson: "",
  place: "directory nowhere",
};

function batch(firstSequence: number, count: number): Batch {
  const rows = new Uint8Array(100).fill(firstSequence);
  return { kind: "samples", firstSequence, count, rows, onDisk: false, queued: true };
}

Deno.test("ts client: a spool is read as it was written, up to the record that is there by half", async () => {
  const directory = await Deno.makeTempDir();
  const spool = await Spool.create(directory, about);
  await spool.append([batch(1, 5), batch(6, 2)]);
  await spool.appendOffset("samples", 6, 3);
  await spool.append([batch(8, 1), batch(9, 1)]);
  assert.deepEqual(await Spool.abandoned(directory), [], "its owner lives");
  await spool.release();
  const path = `${spool.folder}/rows`;
  await Deno.truncate(path, (await Deno.stat(path)).size - 1);

  const [folder] = await Spool.abandoned(directory);
  const adopted = (await Spool.adopt(folder!, "00000001"))!;
  assert.equal(await Spool.adopt(folder!, "00000002"), null, "one alone gets it");
  assert.deepEqual(await adopted.survey(), new Map([["samples", { offset: 3, last: 8 }]]));
  const read: Batch[] = [];
  for (let next = await adopted.next(); next !== null; next = await adopted.next()) read.push(next);
  assert.deepEqual(read.map(({ firstSequence, count }) => [firstSequence, count]), [
    [1, 5],
    [6, 2],
    [8, 1],
  ]);
  assert(read.every(({ rows, firstSequence }) => rows.every((byte) => byte === firstSequence)));
  await adopted.remove();
  assert.deepEqual([...Deno.readDirSync(directory)], []);
  await Deno.remove(directory);
});

Deno.test("ts client: of chatty values the first and the last of a period go on", () => {
  const coalescer = new Coalescer(10);
  const sample = (value: number) => ({ timeUnixNs: 0n, step: null, value });
  assert(coalescer.offer("a", sample(1), 0));
  assert(!coalescer.offer("a", sample(2), 10));
  assert(!coalescer.offer("a", sample(3), 20));
  assert(coalescer.offer("b", sample(4), 20));
  assert.deepEqual(coalescer.takeDue(99), []);
  assert.deepEqual(coalescer.takeDue(100).map(([name, { value }]) => [name, value]), [["a", 3]]);
  assert.equal(coalescer.replaced, 1);
  assert(coalescer.offer("a", sample(5), 200));
});

Deno.test("ts client: values are counted into bins, the greatest into the last", () => {
  const { edges, counts } = histogramOf([0, 1, 2, 4, NaN, Infinity], 4);
  assert.deepEqual(edges, [0, 1, 2, 3, 4]);
  assert.deepEqual(counts, [1n, 1n, 1n, 1n]);
  assert.deepEqual(histogramOf([3], 1).edges, [2.5, 3.5]);
  assert.throws(() => histogramOf([NaN], 4), RangeError);
  assert.throws(() => histogramOf({ edges: [0, 0], counts: [1] }, 4), RangeError);
  assert.throws(() => histogramOf({ edges: [0, 1], counts: [1, 2] }, 4), RangeError);
});

Deno.test("ts client: a long text is cut between two characters", () => {
  assert.equal(boundedText("äöü", 6), "äöü");
  const cut = boundedText("ä".repeat(100), 101);
  assert(new TextEncoder().encode(cut).byteLength <= 101);
  assert.match(cut, /^ä+ \[…\]$/);
  assert.equal(boundedText("a\ud800b"), "a\ufffdb");
});

Deno.test("ts client: the return is the episode's, the rate that of the last second", () => {
  const meter = new Meter();
  const step = (atMs: number, number: bigint, episode: bigint, isLast = false) =>
    meter.advance(atMs, { step: number, episode, reward: 2, isLast });
  step(0, 0n, 1n);
  step(5_000, 10n, 1n);
  step(5_500, 20n, 1n, true);
  const { episodeReturn, stepRateHz, avgReward1s } = meter.numbers(5_600);
  assert.deepEqual([episodeReturn, stepRateHz, avgReward1s], [6, 20, 2]);
  step(5_600, 21n, 1n);
  assert.equal(meter.numbers(5_600).episodeReturn, 2);
});

Deno.test("run: lines are whole, whatever the pieces", () => {
  const splitter = new LineSplitter();
  const bytes = new TextEncoder().encode("eins\nzwö\n\ndrei");
  const lines = [...bytes].flatMap((byte) => splitter.push(Uint8Array.of(byte)));
  assert.deepEqual(lines.map(({ text }) => text), ["eins", "zwö", ""]);
  assert.equal(splitter.end()?.text, "drei");
  assert.equal(splitter.end(), null);
});

Deno.test("run: a line is kept as a terminal shows it at its end", () => {
  assert.equal(shownText(" 10%\r 50%\r\x1b[1;32m100%\x1b[0m\r"), "100%");
  assert.equal(shownText("\x1b]0;title\x07text"), "text");
});
