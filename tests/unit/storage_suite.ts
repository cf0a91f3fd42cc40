/** What every store must do, whatever it is made of: run for each of them by storage_test.ts. */

import assert from "node:assert/strict";
import fc from "fast-check";
import type {
  CheckpointRow,
  EpisodeRow,
  HistogramRow,
  LogRow,
  ParamRow,
  RowBatch,
  SampleColumns,
} from "../../core/storage/records.ts";
import { NO_STEP } from "../../core/storage/records.ts";
import {
  type Page,
  RunDeleted,
  type StoreReader,
  type StoreWriter,
} from "../../core/storage/store.ts";
import {
  MS,
  sampleBatch,
  type SampleOfTest,
  sampleRun,
  START_UNIX_NS,
  stepBatch,
  streamOf,
} from "../harness/rows.ts";

export interface OpenedStore extends Disposable {
  writer: StoreWriter;
  reader: StoreReader;
}

const TALE = streamOf("tale");

function register(writer: StoreWriter, stream = TALE, tags: string[] = []) {
  return writer.registerRun({
    stream,
    startTimeUnixNs: START_UNIX_NS,
    tags,
    metadataJson: '{"host":"box"}',
  });
}

/** All pages of so many rows. */
export function readAll<Rows>(read: (after: string | null) => Page<Rows>): Rows[] {
  const pages: Rows[] = [];
  for (let after: string | null = null;;) {
    const page = read(after);
    pages.push(page.rows);
    if (page.next === null) return pages;
    after = page.next;
  }
}

export function samplesOf(columns: SampleColumns): SampleOfTest[] {
  return Array.from(columns.series, (index, i) => ({
    series: columns.names[index]!,
    timeUnixNs: columns.timeUnixNs[i]!,
    step: columns.step === null || columns.step[i] === NO_STEP ? null : columns.step[i]!,
    value: columns.value[i]!,
  }));
}

export function readSamples(
  reader: StoreReader,
  runId: string,
  rowsPerPage: number,
  series: string[] | null = null,
): SampleOfTest[] {
  return readAll((after) => reader.samples(runId, {}, after, rowsPerPage, series)).flatMap(
    samplesOf,
  );
}

function batchOf(
  kind: "episodes" | "logs" | "params" | "histograms" | "checkpoints",
  rows: unknown[],
  firstSequence = 1n,
): RowBatch {
  return { kind, stream: TALE, firstSequence, count: rows.length, rows } as RowBatch;
}

export function storageSuite(name: string, open: () => OpenedStore): void {
  const test = (what: string, check: (store: OpenedStore) => void | Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      using store = open();
      await check(store);
    });

  test("a run is made once, taken up again, and ended", ({ writer, reader }) => {
    assert.deepEqual(reader.runs().rows, []);
    const first = register(writer, TALE, ["b", "a"]);
    assert(first.created);
    assert.equal(first.committed.steps, 0n);
    assert(writer.finishRun("tale", {
      timeUnixNs: START_UNIX_NS + 5n,
      state: "failed",
      reason: "it broke",
    }));
    const ended = reader.run("tale")!;
    assert.equal(ended.state, "failed");
    assert.equal(ended.reason, "it broke");
    assert.equal(ended.endTimeUnixNs, START_UNIX_NS + 5n);
    assert(!register(writer, streamOf("tale", 2), ["c"]).created);
    assert.deepEqual(reader.run("tale"), {
      ...ended,
      state: "running",
      reason: "",
      endTimeUnixNs: 0n,
      tags: ["a", "b", "c"],
    });
    assert.equal(reader.run("nobody"), null);
    assert(!writer.finishRun("nobody", { timeUnixNs: 1n, state: "finished", reason: "" }));
  });

  test("runs come newest first, page by page, and by tags", ({ writer, reader }) => {
    for (let i = 1; i <= 7; i++) {
      writer.registerRun({
        stream: streamOf(`run-${i}`),
        startTimeUnixNs: START_UNIX_NS + BigInt(i >> 1), // two and two at the same moment
        tags: i % 2 === 0 ? ["even", "all"] : ["all"],
        metadataJson: "{}",
      });
    }
    const pages = readAll((after) => reader.runs({ limit: 3, after: after ?? undefined }));
    const names = pages.flat().map(({ runId }) => runId);
    assert.deepEqual(names, [7, 6, 5, 4, 3, 2, 1].map((i) => `run-${i}`));
    const even = reader.runs({ tags: ["even", "all"] }).rows;
    assert.deepEqual(even.map(({ runId }) => runId), ["run-6", "run-4", "run-2"]);
  });

  test("runs are found by words in their names, states, notes and tags", ({ writer, reader }) => {
    for (
      const [runId, tags] of [["Ant-1", ["PPO"]], ["ant-2", []], ["hopper", ["ppo-old"]]] as const
    ) {
      register(writer, streamOf(runId), [...tags]);
    }
    writer.updateRun("ant-2", { note: "100% of it_self, with Ähm" });
    const found = (...words: string[]) =>
      reader.runs({ words }).rows.map(({ runId }) => runId).toSorted();
    assert.deepEqual(found("ANT"), ["Ant-1", "ant-2"]);
    assert.deepEqual(found("ppo"), ["Ant-1", "hopper"]);
    assert.deepEqual(found("ppo", "ant"), ["Ant-1"]);
    assert.deepEqual(found("0% of", "t_s", "Ähm"), ["ant-2"]);
    assert.deepEqual(found("a%2"), []);
    assert.deepEqual(found("running").length, 3);
    assert.deepEqual(found("old hopper"), [], "a word stands within one text");
  });

  test("large rows come in pages of bounded size, each of them once", ({ writer, reader }) => {
    register(writer);
    const extra = JSON.stringify({ pad: "x".repeat(64 * 1024 - 20) });
    const batch = stepBatch(TALE, 1, 600);
    assert(batch.kind === "steps");
    batch.rows.extraJson = Array<string>(600).fill(extra);
    writer.commit([batch]);
    const pages = readAll((after) => reader.steps("tale", {}, after, 8192));
    const numbers = pages.flatMap(({ step }) => [...step]);
    assert.deepEqual(numbers, Array.from({ length: 600 }, (_, index) => BigInt(index + 1)));
    const bounded = name.startsWith("SQLite");
    if (bounded) assert.deepEqual(pages.map(({ step }) => step.length), [256, 256, 88]);
  });

  test("tags and the note change", ({ writer, reader }) => {
    register(writer, TALE, ["old", "kept"]);
    const changed = writer.updateRun("tale", {
      addTags: ["new"],
      removeTags: ["old", "unknown"],
      note: "Ähm – good",
    })!;
    assert.deepEqual(changed.tags, ["kept", "new"]);
    assert.equal(changed.note, "Ähm – good");
    assert.deepEqual(reader.run("tale"), changed);
    assert.equal(writer.updateRun("nobody", { note: "x" }), null);
  });

  test("steps come back as they went in", ({ writer, reader }) => {
    register(writer);
    const batch = stepBatch(TALE, 1, 3);
    assert.equal(batch.kind, "steps");
    batch.rows.reward.set([NaN, Infinity, -Infinity]);
    batch.rows.step.set([0n, 2n ** 53n + 1n, 2n ** 63n - 1n]);
    batch.rows.flags.set([0, 3, 2]);
    batch.rows.extraJson = ["", '{"lives":3}', ""];
    assert.deepEqual(writer.commit([batch]), [{
      outcome: "committed",
      committed: 3n,
      rowsNew: 3,
    }]);
    assert.deepEqual(reader.steps("tale", {}, null, 10).rows, batch.rows);
    assert.equal(reader.run("tale")!.counts.steps, 3);
    assert.equal(reader.run("tale")!.lastTimeUnixNs, START_UNIX_NS + 3n * MS);
  });

  test("all other kinds come back as they went in", ({ writer, reader }) => {
    register(writer);
    const episodes: EpisodeRow[] = [1n, 2n].map((episode) => ({
      episode,
      startTimeUnixNs: START_UNIX_NS + episode,
      endTimeUnixNs: START_UNIX_NS + episode * 10n,
      firstStep: episode * 100n,
      length: 100n,
      episodeReturn: episode === 1n ? NaN : -1.5,
      terminated: episode === 1n,
      truncated: episode === 2n,
      extraJson: episode === 1n ? "" : '{"seed":1}',
    }));
    const logs: LogRow[] = [
      { timeUnixNs: START_UNIX_NS, level: 2, source: "stdout", text: "héllo\n", step: null },
      { timeUnixNs: START_UNIX_NS + 1n, level: 4, source: "stderr", text: "", step: 7n },
    ];
    const params: ParamRow[] = [
      { key: "lr", valueJson: "0.1", timeUnixNs: START_UNIX_NS },
      { key: "seed", valueJson: "1", timeUnixNs: START_UNIX_NS },
      { key: "lr", valueJson: "0.2", timeUnixNs: START_UNIX_NS + 1n },
    ];
    const histograms: HistogramRow[] = ["w", "b"].map((series) => ({
      series,
      timeUnixNs: START_UNIX_NS,
      step: series === "w" ? 3n : null,
      edges: Float64Array.of(-Infinity, 0, 0.5),
      counts: BigUint64Array.of(2n ** 64n - 1n, 0n),
    }));
    const checkpoints: CheckpointRow[] = [{
      name: "best.pt",
      timeUnixNs: START_UNIX_NS,
      step: null,
      sizeBytes: 12n,
      sha256: "ab".repeat(32),
      metadataJson: "",
    }];
    const results = writer.commit([
      batchOf("episodes", episodes),
      batchOf("logs", logs),
      batchOf("params", params),
      batchOf("histograms", histograms),
      batchOf("checkpoints", checkpoints),
    ]);
    assert(results.every(({ outcome }) => outcome === "committed"));
    assert.deepEqual(reader.episodes("tale", {}, null, 10).rows, episodes);
    assert.deepEqual(reader.logs("tale", {}, null, 10).rows, logs);
    assert.deepEqual(reader.params("tale"), [params[1], params[2]], "in the order of their last");
    assert.deepEqual(reader.histograms("tale", null, null, 10).rows, histograms);
    assert.deepEqual(reader.histograms("tale", "b", null, 10).rows, [histograms[1]]);
    assert.deepEqual(reader.checkpoints("tale"), checkpoints);
    assert.deepEqual(reader.run("tale")!.counts, {
      steps: 0,
      episodes: 2,
      samples: 0,
      logs: 2,
      params: 3,
      histograms: 2,
      checkpoints: 1,
    });
  });

  test("samples come back in the order of their commits, bit by bit", ({ writer, reader }) => {
    register(writer);
    const samples: SampleOfTest[] = [
      { series: "a", timeUnixNs: START_UNIX_NS, step: null, value: NaN },
      { series: "b/ü", timeUnixNs: START_UNIX_NS - 5n, step: 1n, value: Infinity },
      { series: "a", timeUnixNs: START_UNIX_NS + 1n, step: 2n ** 63n - 1n, value: -Infinity },
      { series: "a", timeUnixNs: START_UNIX_NS + 1n, step: 0n, value: 2 ** -1074 },
      { series: "c", timeUnixNs: START_UNIX_NS + 2n, step: null, value: 0.1 },
    ];
    writer.commit([sampleBatch(TALE, 1, samples)]);
    assert.deepEqual(readSamples(reader, "tale", 2), samples);
    assert.deepEqual(
      readSamples(reader, "tale", 2, ["a", "nothing"]),
      samples.filter(({ series }) => series === "a"),
    );
    assert.deepEqual(reader.series("tale"), [
      {
        name: "a",
        samples: 3,
        firstTimeUnixNs: START_UNIX_NS,
        lastTimeUnixNs: START_UNIX_NS + 1n,
        lastValue: 2 ** -1074,
      },
      {
        name: "b/ü",
        samples: 1,
        firstTimeUnixNs: START_UNIX_NS - 5n,
        lastTimeUnixNs: START_UNIX_NS - 5n,
        lastValue: Infinity,
      },
      {
        name: "c",
        samples: 1,
        firstTimeUnixNs: START_UNIX_NS + 2n,
        lastTimeUnixNs: START_UNIX_NS + 2n,
        lastValue: 0.1,
      },
    ]);
  });

  test("what was stored before is passed over, a gap stores nothing", ({ writer, reader }) => {
    register(writer);
    writer.commit([stepBatch(TALE, 1, 10)]);
    assert.deepEqual(
      writer.commit([
        stepBatch(TALE, 3, 4), // all known
        stepBatch(TALE, 8, 5), // two new
        stepBatch(TALE, 14, 2), // 13 is missing
        stepBatch(streamOf("tale", 2), 1, 2), // another client's
      ]),
      [
        { outcome: "committed", committed: 10n, rowsNew: 0 },
        { outcome: "committed", committed: 12n, rowsNew: 2 },
        { outcome: "gap", committed: 12n },
        { outcome: "committed", committed: 2n, rowsNew: 2 },
      ],
    );
    const { rows } = reader.steps("tale", {}, null, 100);
    assert.deepEqual([...rows.step].map(Number), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2]);
    assert.equal(register(writer).committed.steps, 12n);
    assert.equal(register(writer, streamOf("tale", 2)).committed.steps, 2n);
  });

  test("what cannot be stored is refused, and the others are stored", ({ writer, reader }) => {
    register(writer);
    const tooLarge = stepBatch(TALE, 1, 1);
    assert.equal(tooLarge.kind, "steps");
    tooLarge.rows.step[0] = 2n ** 63n;
    const short = { ...stepBatch(TALE, 1, 2), count: 3 } as RowBatch;
    const nameless = sampleBatch(TALE, 1, sampleRun([""], 1, 1));
    const undefinedSeries = sampleBatch(TALE, 1, sampleRun(["a"], 1, 1));
    assert.equal(undefinedSeries.kind, "samples");
    undefinedSeries.rows.series[0] = 1;
    const results = writer.commit([
      tooLarge,
      short,
      nameless,
      undefinedSeries,
      stepBatch(streamOf("nobody"), 1, 1),
      stepBatch(TALE, 1, 1),
    ]);
    assert.deepEqual(results.map(({ outcome }) => outcome), [
      ...Array(5).fill("refused"),
      "committed",
    ]);
    assert.match((results[0] as { reason: string }).reason, /9223372036854775808/);
    assert.equal(reader.run("tale")!.counts.steps, 1);
    assert.equal(reader.run("tale")!.counts.samples, 0);
  });

  test("rows are found by step, by time and by episode", ({ writer, reader }) => {
    register(writer);
    writer.commit([
      stepBatch(TALE, 1, 500),
      sampleBatch(TALE, 1, sampleRun(["a", "b"], 1, 500)),
    ]);
    const steps = (range: Parameters<StoreReader["steps"]>[1]) =>
      [...reader.steps("tale", range, null, 1000).rows.step].map(Number);
    assert.deepEqual(steps({ fromStep: 10n, toStep: 12n }), [10, 11, 12]);
    assert.deepEqual(
      steps({ fromTimeUnixNs: START_UNIX_NS + 499n * MS, toTimeUnixNs: null }),
      [499, 500],
    );
    assert.equal(steps({ fromEpisode: 2n, toEpisode: 3n }).length, 200);
    const samples = reader.samples("tale", { fromStep: 495n }, null, 1000, ["a"]);
    assert.deepEqual(samplesOf(samples.rows).map(({ step }) => Number(step)), [495, 497, 499]);
  });

  test("a cursor goes on with what is committed later", ({ writer, reader }) => {
    register(writer);
    writer.commit([stepBatch(TALE, 1, 10)]);
    const first = reader.steps("tale", {}, null, 10);
    assert.equal(first.next, null, "there are no more now");
    writer.commit([stepBatch(TALE, 11, 5)]);
    const second = reader.steps("tale", { fromStep: 1n }, first.end, 3);
    assert.deepEqual([...second.rows.step].map(Number), [11, 12, 13]);
    assert.equal(second.next, second.end);
    const nothing = reader.steps("tale", { fromStep: 100n }, null, 3);
    assert.equal(nothing.next, null);
    writer.commit([stepBatch(TALE, 16, 1)]);
    assert.deepEqual([...reader.steps("tale", {}, nothing.end, 3).rows.step].map(Number), [16]);
    assert.equal(reader.steps("nobody", {}, null, 3).rows.step.length, 0);
    assert.throws(() => reader.steps("tale", {}, "x", 3), /no page after "x"/);
  });

  test("the newest lines of the log, and what comes after them", ({ writer, reader }) => {
    register(writer);
    const line = (n: number): LogRow => (
      {
        timeUnixNs: START_UNIX_NS + BigInt(n),
        level: 2,
        source: "stdout",
        text: `${n}`,
        step: null,
      }
    );
    const texts = (rows: LogRow[]) => rows.map(({ text }) => text);
    writer.commit([batchOf("logs", Array.from({ length: 7 }, (_, index) => line(index)))]);
    const last = reader.lastLogs("tale", 3);
    assert.deepEqual([texts(last.rows), last.next], [["4", "5", "6"], null]);
    assert.deepEqual(texts(reader.lastLogs("tale", 100).rows).length, 7);
    assert.deepEqual(reader.lastLogs("nobody", 3).rows, []);
    writer.commit([batchOf("logs", [line(7)], 8n)]);
    assert.deepEqual(texts(reader.logs("tale", {}, last.end, 10).rows), ["7"]);
  });

  test("a deleted run is gone, and what its clients still have is refused", ({ writer, reader }) => {
    register(writer, TALE, ["t"]);
    const other = streamOf("other");
    register(writer, other);
    writer.commit([
      stepBatch(TALE, 1, 5000),
      sampleBatch(TALE, 1, sampleRun(["a"], 1, 10)),
      stepBatch(other, 1, 5),
    ]);
    assert.equal(writer.deleteRun("tale")!.steps, 5000);
    assert.equal(writer.deleteRun("tale"), null);
    assert.equal(reader.run("tale"), null);
    assert.equal(reader.steps("tale", {}, null, 10).rows.step.length, 0);
    assert.equal(writer.commit([stepBatch(TALE, 5001, 1)])[0]!.outcome, "refused");
    assert.throws(() => register(writer), RunDeleted);
    const again = register(writer, streamOf("tale", 9));
    assert(again.created);
    writer.commit([stepBatch(streamOf("tale", 9), 1, 3)]);
    while (writer.idle()) { /* its rows go */ }
    assert.equal(writer.commit([stepBatch(TALE, 1, 1)])[0]!.outcome, "refused");
    assert.equal(reader.steps("tale", {}, null, 10).rows.step.length, 3);
    assert.deepEqual(reader.series("tale"), []);
    assert.equal(reader.steps("other", {}, null, 10).rows.step.length, 5);
  });

  test("windows are the samples where they are few, else buckets", ({ writer, reader }) => {
    register(writer);
    const samples = sampleRun(["a", "b"], 1, 4_000);
    writer.commit([sampleBatch(TALE, 1, samples)]);
    const [raw] = reader.windows("tale", ["a"], {
      fromTimeUnixNs: START_UNIX_NS + 1n * MS,
      toTimeUnixNs: START_UNIX_NS + 9n * MS,
    }, 100);
    assert.equal(raw!.min, undefined);
    assert.deepEqual([...raw!.step], [1, 3, 5, 7, 9]);
    assert.equal(raw!.samples, 5);
    const windows = reader.windows("tale", null, { fromTimeUnixNs: null, toTimeUnixNs: null }, 100);
    assert.deepEqual(windows.map(({ name }) => name), ["a", "b"]);
    const values = samples.filter(({ series }) => series === "a").map(({ value }) => value);
    const [{ min, max, value, timeUnixS, samples: count }] = [windows[0]!];
    assert.equal(count, 2_000);
    assert(value.length > 80 && value.length <= 100, `${value.length} points`);
    assert.equal(Math.min(...min!), Math.min(...values));
    assert.equal(Math.max(...max!), Math.max(...values));
    for (const [i, time] of timeUnixS.entries()) {
      assert(min![i]! <= value[i]! && value[i]! <= max![i]!);
      assert(i === 0 || time > timeUnixS[i - 1]!);
    }
  });

  test("all that was committed can be synced", async ({ writer }) => {
    register(writer);
    writer.commit([stepBatch(TALE, 1, 100)]);
    const syncing = writer.sync();
    writer.commit([stepBatch(TALE, 101, 100)]);
    await syncing;
    await writer.sync();
  });

  test("whatever is sent again or lost, each row is stored once", ({ writer, reader }) => {
    let runs = 0;
    const message = fc.record({
      stream: fc.integer({ min: 1, max: 3 }),
      /** Relative to what is due: behind, right, or beyond. */
      offset: fc.integer({ min: -4, max: 2 }),
      count: fc.integer({ min: 1, max: 5 }),
    });
    const commits = fc.array(fc.array(message, { maxLength: 5 }), { maxLength: 12 });
    fc.assert(
      fc.property(commits, (commits) => {
        const runId = `run-${++runs}`;
        const due = new Map<number, number>();
        const expected: string[] = [];
        const streams = [1, 2, 3].map((number) => streamOf(runId, number));
        for (const stream of streams) register(writer, stream);
        for (const messages of commits) {
          // The due sequence within this commit depends on the messages before.
          const planned = new Map(due);
          const batches = messages.map(({ stream, offset, count }) => {
            const next = planned.get(stream) ?? 1;
            const first = Math.max(1, next + offset);
            const gap = first > next;
            if (!gap) {
              for (let n = next; n < first + count; n++) expected.push(`${stream}:${n}`);
              planned.set(stream, Math.max(next, first + count));
            }
            const batch = stepBatch(streams[stream - 1]!, first, count);
            assert.equal(batch.kind, "steps");
            batch.rows.episode.fill(BigInt(stream));
            return { batch, gap };
          });
          const results = writer.commit(batches.map(({ batch }) => batch));
          for (const [i, { gap }] of batches.entries()) {
            assert.equal(results[i]!.outcome, gap ? "gap" : "committed");
          }
          for (const [stream, next] of planned) due.set(stream, next);
        }
        const found = readAll((after) => reader.steps(runId, {}, after, 7))
          .flatMap(({ step, episode }) => Array.from(step, (n, i) => `${episode[i]}:${n}`));
        assert.deepEqual(found, expected);
        for (const [number, next] of due) {
          assert.equal(register(writer, streams[number - 1]).committed.steps, BigInt(next - 1));
        }
      }),
      { numRuns: 60 },
    );
  });
}
