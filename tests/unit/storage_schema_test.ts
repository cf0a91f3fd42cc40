/** docs/schema.md asks a database that the store has made, by the real sqlite3 shell. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { databasePath } from "../../core/storage/open.ts";
import type { RowBatch } from "../../core/storage/records.ts";
import { SqliteStore } from "../../core/storage/sqlite_store.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { MS, sampleBatch, sampleRun, START_UNIX_NS, stepBatch, streamOf } from "../harness/rows.ts";

type ShellRow = Record<string, string | number | null>;

async function ask(path: string, sql: string): Promise<ShellRow[]> {
  const { success, stdout, stderr } = await new Deno.Command("sqlite3", {
    args: ["-readonly", "-json", path, sql],
  }).output();
  assert(success, `${sql}\n${new TextDecoder().decode(stderr)}`);
  const text = new TextDecoder().decode(stdout);
  return text === "" ? [] : JSON.parse(text);
}

/** Two runs with everything in them; 900 of each run's 1,000 samples are compacted. */
function fill(store: SqliteStore): void {
  for (const runId of ["cartpole", "pendulum"]) {
    const stream = streamOf(runId);
    store.registerRun({
      stream,
      startTimeUnixNs: START_UNIX_NS,
      tags: ["ppo", "seed-1"],
      metadataJson: "{}",
    });
    const batchOf = (kind: string, rows: unknown[]) =>
      ({ kind, stream, firstSequence: 1n, count: rows.length, rows }) as RowBatch;
    store.commit([
      stepBatch(stream, 1, 2_500),
      sampleBatch(stream, 1, sampleRun(["train/loss", "train/kl"], 1, 1_000)),
      batchOf(
        "episodes",
        Array.from({ length: 25 }, (_, i) => ({
          episode: BigInt(i),
          startTimeUnixNs: START_UNIX_NS,
          endTimeUnixNs: START_UNIX_NS + 1500n * MS,
          firstStep: BigInt(i * 100),
          length: 100n,
          episodeReturn: i === 3 ? NaN : i,
          terminated: true,
          truncated: false,
          extraJson: "",
        })),
      ),
      batchOf("params", [
        { key: "lr", valueJson: "0.1", timeUnixNs: START_UNIX_NS },
        { key: "lr", valueJson: '"cosine"', timeUnixNs: START_UNIX_NS },
      ]),
      batchOf("logs", [
        { timeUnixNs: START_UNIX_NS, level: 2, source: "stdout", text: "hello", step: null },
        { timeUnixNs: START_UNIX_NS, level: 4, source: "stderr", text: "it 'broke'", step: 7n },
      ]),
      batchOf("checkpoints", [{
        name: "best.pt",
        timeUnixNs: START_UNIX_NS,
        step: 5n,
        sizeBytes: 10n,
        sha256: "ab".repeat(32),
        metadataJson: "",
      }]),
    ]);
  }
  while (store.idle()) { /* compacts */ }
}

Deno.test("docs/schema.md: every query answers in the sqlite3 shell, with what was stored", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  using store = new SqliteStore(path, { blockRows: 300 });
  fill(store);
  const page = await Deno.readTextFile(`${ROOT}docs/schema.md`);
  const queries = Array.from(page.matchAll(/```sql\n([^`]+)```/g), ([, sql]) => sql!);
  assert(queries.length >= 10, `${queries.length} queries`);
  const answers: ShellRow[][] = [];
  for (const sql of queries) {
    const rows = await ask(path, sql);
    assert(rows.length > 0, `nothing came of: ${sql}`);
    answers.push(rows);
  }
  const [runs, params, episodes, best, rewards, rates, scalars, chunks, recent, logs, files] =
    answers;
  assert.deepEqual(runs!.map(({ run }) => run).sort(), ["cartpole", "pendulum"]);
  assert.equal(runs![0]!.steps, 2_500);
  assert.equal(runs![0]!.started, "2027-01-15T08:00:00.000Z");
  assert.deepEqual(params, [{ name: "lr", cartpole: '"cosine"', pendulum: '"cosine"' }]);
  assert.equal(episodes![3]!.episode_return, null, "NaN");
  assert.equal(episodes![24]!.mean_of_10, 19.5);
  assert.equal(best![0]!.best, 24);
  assert.equal(rewards![1]!.steps, 1_000);
  assert.equal(rates![0]!.steps_per_second, 2_500 / 60);
  assert.deepEqual(scalars!.map(({ series, samples }) => [series, samples]), [
    ["train/kl", 500],
    ["train/loss", 500],
  ]);
  assert.deepEqual(chunks!.map(({ samples }) => samples), [150, 150, 150]);
  assert.equal(recent!.length, 10);
  assert.equal(recent![0]!.step, 999);
  assert.equal(logs![0]!.text, "it 'broke'");
  assert.equal(files![0]!.file, `files/ab/${"ab".repeat(32)}`);
});

Deno.test("docs/schema.md: every view is there with the columns that are told of", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  using store = new SqliteStore(path, { blockRows: 300 });
  fill(store);
  const page = await Deno.readTextFile(`${ROOT}docs/schema.md`);
  const views = await ask(path, "SELECT name FROM sqlite_schema WHERE type = 'view'");
  assert(views.length >= 10);
  for (const { name } of views) {
    const told = page.split("\n").find((line) => line.startsWith(`| \`${name}\``));
    assert(told !== undefined, `${name} is not told of`);
    for (const [, column] of told.split("|")[3]!.matchAll(/`(\w+)`/g)) {
      await ask(path, `SELECT ${column} FROM ${name} LIMIT 1`);
    }
  }
});

Deno.test("a view of one run reads that run's rows alone", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  using store = new SqliteStore(path);
  fill(store);
  using db = new DatabaseSync(path, { readOnly: true });
  for (const view of ["steps", "episodes", "logs", "samples_recent"]) {
    const plan = db.prepare(`EXPLAIN QUERY PLAN SELECT * FROM ${view} WHERE run = 'cartpole'`)
      .all();
    const scans = plan.map(({ detail }) => String(detail)).filter((line) =>
      line.startsWith("SCAN")
    );
    assert.deepEqual(scans, [], view);
  }
});
