/** The store: inserting beside C, what a sample takes, and reading an hour of samples beside SQL over plain rows. */

import { DatabaseSync } from "node:sqlite";
import { locateAssets } from "../core/assets.ts";
import { PIECE_SAMPLES } from "../core/storage/envelope.ts";
import { databasePath } from "../core/storage/open.ts";
import type { RowBatch } from "../core/storage/records.ts";
import { SqliteReader } from "../core/storage/sqlite_reader.ts";
import { SqliteStore } from "../core/storage/sqlite_store.ts";
import { TestBox } from "../tests/harness/box.ts";
import { randomOf } from "../tests/harness/random.ts";
import { START_UNIX_NS, stepBatch, streamOf } from "../tests/harness/rows.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";
import { sqliteRowsPerSecond } from "./sqlite_peer.ts";

const C_RATIO_MIN = 0.9;
const SAMPLE_BYTES_MAX = 5;
const RAW_RATIO_MAX = 0.1;
const OVERVIEW_RATIO_MAX = 0.01;

const SERIES = 20;
const PERIOD_NS = 10_000_000n; // 100 Hz
const POINTS = 2_000;
const BATCH_ROWS = 2_000;
/** The best of so many: another program's moment is not ours. */
const REPEATS = 5;

const STREAM = streamOf("bench");
const EVERYTHING = { fromTimeUnixNs: null, toTimeUnixNs: null };

function openStore(box: TestBox): SqliteStore {
  const store = new SqliteStore(databasePath(box.dataDir), {
    libraryPath: locateAssets().libraryPath,
  });
  store.registerRun({ stream: STREAM, startTimeUnixNs: START_UNIX_NS, tags: [], metadataJson: "" });
  return store;
}

/** Least time of several runs, ms. */
function bestMs(work: () => void): number {
  let best = Infinity;
  for (let i = 0; i < REPEATS; i++) {
    const startedMs = performance.now();
    work();
    best = Math.min(best, performance.now() - startedMs);
  }
  return best;
}

async function measureInserts({ smoke, progress }: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const rowsPerCommit of [128, 1024]) {
    progress(`steps, ${rowsPerCommit} a transaction`);
    const total = smoke ? 20_480 : 1_024_000;
    await using box = await TestBox.create();
    const batches = Array.from(
      { length: total / rowsPerCommit },
      (_, i) => stepBatch(STREAM, 1 + i * rowsPerCommit, rowsPerCommit),
    );
    using store = openStore(box);
    const startedMs = performance.now();
    for (const batch of batches) store.commit([batch]);
    const rate = total / (performance.now() - startedMs) * 1e3;
    const c = await sqliteRowsPerSecond(box, { rows: total, rowsPerTransaction: rowsPerCommit });
    rows.push({
      what: `steps through SqliteStore.commit, ${rowsPerCommit} a transaction`,
      measured: `${(rate / 1e6).toFixed(2)} M rows/s`,
      against: `C, prepared statement: ${(c / 1e6).toFixed(2)} M rows/s; ${(rate / c).toFixed(2)}×`,
      limit: `≥ ${C_RATIO_MIN}×`,
      met: rate / c >= C_RATIO_MIN,
    });
  }
  return rows;
}

/** Random walks, f32, at 100 Hz with 0.2 ms of jitter; series are logged together. */
function* sampleBatches(samples: number): Iterable<RowBatch & { kind: "samples" }> {
  const random = randomOf(4);
  const names = Array.from({ length: SERIES }, (_, i) => `series/${i}`);
  const walks = new Float64Array(SERIES);
  for (let first = 0; first < samples; first += BATCH_ROWS) {
    const rows = {
      names,
      series: new Uint32Array(BATCH_ROWS),
      timeUnixNs: new BigInt64Array(BATCH_ROWS),
      step: new BigUint64Array(BATCH_ROWS),
      value: new Float64Array(BATCH_ROWS),
    };
    let timeUnixNs = 0n;
    for (let i = 0; i < BATCH_ROWS; i++) {
      const series = i % SERIES;
      const tick = BigInt(Math.floor((first + i) / SERIES));
      if (series === 0) {
        timeUnixNs = START_UNIX_NS + tick * PERIOD_NS + BigInt(Math.floor(random() * 200_000));
      }
      walks[series]! += random() - 0.5;
      rows.series[i] = series;
      rows.timeUnixNs[i] = timeUnixNs;
      rows.step[i] = tick;
      rows.value[i] = Math.fround(walks[series]!);
    }
    const firstSequence = BigInt(first + 1);
    yield { kind: "samples", stream: STREAM, firstSequence, count: BATCH_ROWS, rows };
  }
}

/** The same samples in a plain table, as one would make it by hand. */
function plainRows(path: string, samples: number): DatabaseSync {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
    CREATE TABLE sample (series INTEGER, time_ns INTEGER, step INTEGER, value REAL); BEGIN`);
  const insert = db.prepare("INSERT INTO sample VALUES (?, ?, ?, ?)");
  for (const { rows } of sampleBatches(samples)) {
    for (let i = 0; i < BATCH_ROWS; i++) {
      insert.run(rows.series[i]!, rows.timeUnixNs[i]!, rows.step![i]!, rows.value[i]!);
    }
  }
  db.exec("COMMIT");
  return db;
}

function sum(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get()!)[0]);
}

async function measureSamples({ smoke, progress }: BenchOptions): Promise<Row[]> {
  const seconds = smoke ? 60 : 3600;
  const samples = seconds * 100 * SERIES;
  const what = `${seconds} s of ${SERIES} series at 100 Hz`;
  await using box = await TestBox.create();
  using store = openStore(box);
  progress(`${what}: stored and compacted`);
  let commitMs = 0, idleMs = 0, idleMsMax = 0;
  for (const batch of sampleBatches(samples)) {
    const startedMs = performance.now();
    store.commit([batch]);
    const committedMs = performance.now();
    commitMs += committedMs - startedMs;
    for (let from = committedMs, more = true; more;) {
      more = store.idle();
      const now = performance.now();
      idleMs += now - from;
      idleMsMax = Math.max(idleMsMax, now - from);
      from = now;
    }
  }
  store.finishRun("bench", { timeUnixNs: START_UNIX_NS, state: "finished", reason: "" });
  while (store.idle()) { /* what is left */ }
  progress("the same as plain rows");
  using plain = plainRows(`${box.folder}/plain.db`, samples);
  const plainBytes = Deno.statSync(`${box.folder}/plain.db`).size / samples;
  using database = new DatabaseSync(databasePath(box.dataDir), { readOnly: true });
  const compacted = sum(database, "SELECT sum(samples) FROM sample_block");
  const valueBytes = sum(database, "SELECT sum(length(value)) FROM sample_values") / compacted;
  const chunkBytes = (sum(
    database,
    `SELECT sum(pgsize) FROM dbstat WHERE name IN ('sample_values', 'sample_axis',
       'sample_envelope', 'sample_chunk', 'sample_block')`,
  )) / compacted;

  progress("read");
  using reader = new SqliteReader(databasePath(box.dataDir));
  const bucketNs = BigInt(seconds) * 1_000_000_000n / BigInt(POINTS);
  const groupBy = plain.prepare(
    `SELECT series, (time_ns - ?) / ?, min(value), max(value), avg(value) FROM sample GROUP BY 1, 2`,
  );
  const groupMs = bestMs(() => groupBy.all(START_UNIX_NS, bucketNs));
  const rawMs = bestMs(() => reader.windows("bench", null, EVERYTHING, Infinity));
  const overviewMs = bestMs(() => reader.windows("bench", null, EVERYTHING, POINTS));
  const oneMs = bestMs(() => reader.windows("bench", ["series/3"], EVERYTHING, POINTS));
  const range = {
    fromTimeUnixNs: START_UNIX_NS + BigInt(seconds) * 500_000_000n,
    toTimeUnixNs: START_UNIX_NS + BigInt(seconds) * 500_000_000n + 10_000_000_000n,
  };
  const rangeMs = bestMs(() => reader.windows("bench", ["series/3"], range, POINTS));
  const sqlRange = plain.prepare(
    "SELECT time_ns / 1e9, step, value FROM sample WHERE series = 3 AND time_ns BETWEEN ? AND ?",
  );
  const sqlRangeMs = bestMs(() => sqlRange.all(range.fromTimeUnixNs, range.toTimeUnixNs));
  const ratio = (ms: number) =>
    `SQL GROUP BY over plain rows: ${groupMs.toFixed(0)} ms; ` +
    `${(ms / groupMs).toFixed(4)}×`;
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  return [
    {
      what: `a sample once compacted (f32 random walks; ${what})`,
      measured: `${chunkBytes.toFixed(2)} B`,
      against: `as plain rows ${plainBytes.toFixed(1)} B; values alone ${valueBytes.toFixed(2)} B`,
      limit: `≤ ${SAMPLE_BYTES_MAX} B`,
      met: smoke ? null : chunkBytes <= SAMPLE_BYTES_MAX,
    },
    {
      what: `samples through SqliteStore.commit, ${BATCH_ROWS} a transaction`,
      measured: `${(samples / commitMs / 1e3).toFixed(2)} M rows/s`,
      against: `compaction in idle moments: ${(samples / idleMs / 1e3).toFixed(2)} M samples/s, ` +
        `longest idle() ${ms(idleMsMax)}`,
      limit: "",
      met: null,
    },
    {
      what: `all raw samples, ${what}`,
      measured: ms(rawMs),
      against: ratio(rawMs),
      limit: `≤ ${RAW_RATIO_MAX}×`,
      met: smoke ? null : rawMs / groupMs <= RAW_RATIO_MAX,
    },
    {
      what: `overview of ${POINTS} points of each series, ${what} (pieces of ${PIECE_SAMPLES})`,
      measured: ms(overviewMs),
      against: ratio(overviewMs),
      limit: `≤ ${OVERVIEW_RATIO_MAX}×`,
      met: smoke ? null : overviewMs / groupMs <= OVERVIEW_RATIO_MAX,
    },
    {
      what: `overview of ${POINTS} points of one series, ${what}`,
      measured: ms(oneMs),
      against: ratio(oneMs),
      limit: "",
      met: null,
    },
    {
      what: "10 s of one series, raw, out of all that",
      measured: ms(rangeMs),
      against: `SQL over plain rows: ${ms(sqlRangeMs)}`,
      limit: "",
      met: null,
    },
  ];
}

export const storageBench: Bench = {
  name: "storage",
  title: "The store",
  run: async (options) => [...await measureInserts(options), ...await measureSamples(options)],
};
