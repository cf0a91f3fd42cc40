/** Samples in chunks: nobody sees the difference, whenever they look and whenever the writer dies. */

import fc from "fast-check";
import assert from "node:assert/strict";
import {
  decodeAxis,
  decodeValues,
  encodeAxis,
  encodeValues,
  integerAt,
} from "../../core/storage/chunk_codec.ts";
import { databasePath } from "../../core/storage/open.ts";
import { SqliteReader } from "../../core/storage/sqlite_reader.ts";
import { SqliteStore } from "../../core/storage/sqlite_store.ts";
import { TestBox } from "../harness/box.ts";
import {
  sampleBatch,
  type SampleOfTest,
  sampleRun,
  START_UNIX_NS,
  streamOf,
} from "../harness/rows.ts";
import { readSamples, samplesOf } from "./storage_suite.ts";

const STREAM = streamOf("run");

function register(store: SqliteStore): void {
  store.registerRun({ stream: STREAM, startTimeUnixNs: START_UNIX_NS, tags: [], metadataJson: "" });
}

Deno.test("chunk codec: values come back bit by bit", () => {
  fc.assert(fc.property(fc.oneof(fc.float64Array(), fc.float32Array()), (some) => {
    const values = Float64Array.from(some);
    const decoded = Float64Array.from(decodeValues(encodeValues(values)));
    assert.deepEqual(new BigUint64Array(decoded.buffer), new BigUint64Array(values.buffer));
  }));
});

Deno.test("chunk codec: axes come back, steady ones and wild ones", () => {
  const wild = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const column = fc.oneof(
    fc.array(wild, { minLength: 1 }),
    fc.tuple(wild, fc.array(fc.integer({ min: -(2 ** 30), max: 2 ** 30 }))).map(([start, jumps]) =>
      jumps.map((jump, i) => BigInt.asIntN(64, start + BigInt(i * 10_000_000 + jump)))
    ).filter(({ length }) => length > 0),
    fc.tuple(wild, fc.integer(), fc.integer({ min: 1, max: 50 })).map(([start, stride, count]) =>
      Array.from({ length: count }, (_, i) => BigInt.asIntN(64, start + BigInt(i * stride)))
    ),
  );
  fc.assert(fc.property(column, fc.boolean(), (numbers, hasSteps) => {
    const times = BigInt64Array.from(numbers);
    const steps = hasSteps ? times.map((n) => n < 0n ? -1n : n) : null;
    const axis = decodeAxis(encodeAxis(times, steps, times));
    assert.equal(axis.count, times.length);
    for (const [i, time] of times.entries()) {
      assert.equal(integerAt(axis.timeUnixNs, i), time);
      assert.equal(integerAt(axis.place, i), time);
      assert.equal(axis.step === null ? null : integerAt(axis.step, i), steps?.[i] ?? null);
    }
  }));
});

Deno.test("compaction: at every moment each sample is seen once, in order, cursors go on", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  using store = new SqliteStore(path, { blockRows: 1_000 });
  using reader = new SqliteReader(path);
  register(store);
  const samples = sampleRun(["a", "b", "c"], 1, 5_500);
  store.commit([sampleBatch(STREAM, 1, samples)]);
  assert.equal(store.stats().samplesUncompacted, 5_500);
  let after: string | null = null;
  const paged: SampleOfTest[] = [];
  let moments = 0;
  do {
    moments++;
    assert.deepEqual(readSamples(reader, "run", 999), samples);
    const page = reader.samples("run", {}, after, 150);
    paged.push(...samplesOf(page.rows));
    after = page.end;
    assert.deepEqual(reader.series("run").map(({ samples }) => samples), [1834, 1833, 1833]);
  } while (store.idle());
  assert(moments > 20, `${moments} calls`);
  assert.equal(store.stats().samplesUncompacted, 500);
  while (paged.length < samples.length) {
    const page = reader.samples("run", {}, after, 150);
    paged.push(...samplesOf(page.rows));
    after = page.end;
  }
  assert.deepEqual(paged, samples);
  store.finishRun("run", { timeUnixNs: 1n, state: "finished", reason: "" });
});

Deno.test("compaction: a writer that dies at any moment loses nothing and doubles nothing", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  const samples = sampleRun(["a", "b"], 1, 3_000);
  {
    using store = new SqliteStore(path, { blockRows: 1_000 });
    register(store);
    store.commit([sampleBatch(STREAM, 1, samples)]);
  }
  // Each store does one call's work more than the one before, and then is gone.
  for (let calls = 1, more = true; more; calls++) {
    {
      using store = new SqliteStore(path, { blockRows: 1_000 });
      for (let i = 0; i < calls; i++) more = store.idle();
    }
    using reader = new SqliteReader(path);
    assert.deepEqual(readSamples(reader, "run", 10_000), samples, `after ${calls} calls`);
  }
});

Deno.test("compaction: samples some ns beyond a chart's bounds stay outside, where f64 cannot tell", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  using store = new SqliteStore(path, { blockRows: 6 });
  register(store);
  const at = START_UNIX_NS + 10n ** 11n;
  const times = [at - 1n, at, at + 1n, at + 50n, at + 51n, at + 10n ** 10n];
  assert.equal(Number(times[0]!) / 1e9, Number(times[4]!) / 1e9);
  const samples = times.map((timeUnixNs, i) => ({ series: "a", timeUnixNs, step: null, value: i }));
  store.commit([sampleBatch(STREAM, 1, samples)]);
  using reader = new SqliteReader(path);
  const values = () => {
    const range = { fromTimeUnixNs: at, toTimeUnixNs: at + 50n };
    return [...reader.windows("run", null, range, 100)[0]!.value];
  };
  assert.deepEqual(values(), [1, 2, 3]);
  while (store.idle()) { /* all that can be */ }
  assert.equal(store.stats().samplesUncompacted, 0);
  assert.deepEqual(values(), [1, 2, 3]);
});

Deno.test("compaction: whatever was logged in whichever order reads the same before and after", async () => {
  await using box = await TestBox.create();
  let databases = 0;
  const sample = fc.record({
    series: fc.constantFrom("a", "b", "c"),
    // Some at the same time, and some exactly at the bound below.
    timeUnixNs: fc.oneof(
      fc.bigInt({ min: START_UNIX_NS, max: START_UNIX_NS + 10n ** 12n }),
      fc.bigInt({ min: 0n, max: 20n }).map((n) => START_UNIX_NS + n * 10n ** 10n),
    ),
    step: fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
    // SQLite stores -0 as 0.
    value: fc.double().map((value) => value + 0),
  }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 60 }), (samples) => {
      const path = `${box.folder}/${++databases}.db`;
      using store = new SqliteStore(path, { blockRows: 7 });
      register(store);
      store.commit([sampleBatch(STREAM, 1, samples)]);
      using reader = new SqliteReader(path);
      const everything = { fromTimeUnixNs: null, toTimeUnixNs: null };
      const range = { fromTimeUnixNs: START_UNIX_NS + 10n ** 11n, toTimeUnixNs: null };
      const look = () => ({
        samples: readSamples(reader, "run", 4),
        someSamples: readSamples(reader, "run", 4, ["a", "c"]),
        byStep: samplesOf(reader.samples("run", { fromStep: 2n ** 60n }, null, 100).rows),
        series: reader.series("run"),
        windows: reader.windows("run", null, everything, 100),
        late: reader.windows("run", ["b"], range, 100),
      });
      const before = look();
      assert.deepEqual(before.samples, samples);
      while (store.idle()) { /* all that can be */ }
      assert.deepEqual(look(), before);
    }),
    { numRuns: 60 },
  );
});
