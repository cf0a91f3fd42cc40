/** The SQLite store when the disk, a file or somebody else is in its way. */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { APPLICATION_ID, MIGRATIONS } from "../../core/storage/migrations.ts";
import { databasePath, openReader } from "../../core/storage/open.ts";
import { SqliteReader } from "../../core/storage/sqlite_reader.ts";
import { SqliteStore } from "../../core/storage/sqlite_store.ts";
import { StoreUnavailable } from "../../core/storage/store.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { LineReader } from "../harness/line_reader.ts";
import { START_UNIX_NS, stepBatch, streamOf } from "../harness/rows.ts";

const STREAM = streamOf("run");

function register(store: SqliteStore): void {
  store.registerRun({ stream: STREAM, startTimeUnixNs: START_UNIX_NS, tags: [], metadataJson: "" });
}

function isUnavailable(why: StoreUnavailable["why"]) {
  return (error: unknown) => error instanceof StoreUnavailable && error.why === why;
}

Deno.test("files of the store are for their owner only, and have our mark", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  using store = new SqliteStore(path);
  register(store);
  for (const suffix of ["", "-wal", "-shm"]) {
    assert.equal(Deno.statSync(path + suffix).mode! & 0o777, 0o600, suffix);
  }
  using db = new DatabaseSync(path, { readOnly: true });
  assert.equal(db.prepare("PRAGMA application_id").get()!.application_id, APPLICATION_ID);
  assert.equal(db.prepare("PRAGMA user_version").get()!.user_version, MIGRATIONS.length);
});

Deno.test("a database of a newer telebridge or of another program is left alone", async () => {
  await using box = await TestBox.create();
  const newer = `${box.folder}/newer.db`;
  new SqliteStore(newer)[Symbol.dispose]();
  {
    using db = new DatabaseSync(newer);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  }
  assert.throws(() => new SqliteStore(newer), /written by a newer telebridge/);
  assert.throws(() => new SqliteReader(newer), /written by a newer telebridge/);
  const foreign = `${box.folder}/foreign.db`;
  {
    using db = new DatabaseSync(foreign);
    db.exec("CREATE TABLE cats (name)");
  }
  const before = Deno.readFileSync(foreign);
  assert.throws(() => new SqliteStore(foreign), /not one of telebridge/);
  assert.deepEqual(Deno.readFileSync(foreign), before);
  Deno.writeTextFileSync(`${box.folder}/text.db`, "no database, ".repeat(1000));
  assert.throws(() => new SqliteStore(`${box.folder}/text.db`), isUnavailable("corrupt"));
  assert.throws(() => new SqliteStore(`${box.folder}/no/folder.db`), Deno.errors.NotFound);
  assert.equal(openReader(`${box.folder}/nothing.db`), null);
  Deno.writeTextFileSync(`${box.folder}/begun.db`, "");
  assert.equal(openReader(`${box.folder}/begun.db`), null, "it has no tables yet");
  {
    using db = new DatabaseSync(`${box.folder}/begun.db`);
    db.exec("PRAGMA journal_mode = WAL"); // which the writer does before it makes them
  }
  assert(Deno.statSync(`${box.folder}/begun.db`).size > 0);
  assert.equal(openReader(`${box.folder}/begun.db`), null, "it has no tables even now");
});

Deno.test("a person's write lock holds a commit up, and then it goes on", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  using store = new SqliteStore(path);
  register(store);
  using reader = new SqliteReader(path);
  using shell = new DatabaseSync(path);
  shell.exec("BEGIN IMMEDIATE");
  assert.throws(() => store.commit([stepBatch(STREAM, 1, 10)]), isUnavailable("locked"));
  shell.exec("ROLLBACK");
  assert.equal(reader.run("run")!.counts.steps, 0, "nothing of it was stored");
  assert.equal(store.commit([stepBatch(STREAM, 1, 10)])[0]!.outcome, "committed");
  assert.equal(reader.run("run")!.counts.steps, 10);
});

/** A process with a store, whose files may be bounded from outside. */
class StoreChild implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#lines = new LineReader(child.stdout);
    this.#input = child.stdin.getWriter();
  }

  static async start(path: string): Promise<StoreChild> {
    const child = new Deno.Command("bash", {
      args: [
        // A write beyond the bound fails then, instead of killing the process.
        ...["-c", `trap '' XFSZ; exec "$@"`, "bash", Deno.execPath(), "run", "--allow-all"],
        ...["--cached-only", `${ROOT}tests/harness/store_child.ts`, path],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const store = new StoreChild(child);
    assert.equal(await store.#lines.next("the store"), "ready");
    return store;
  }

  async commit(first: number, count: number): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${first} ${count}\n`));
    return await this.#lines.next("the store");
  }

  async limitFiles(bytes: number | "unlimited"): Promise<void> {
    const args = ["--pid", String(this.#child.pid), `--fsize=${bytes}:unlimited`];
    assert((await new Deno.Command("prlimit", { args }).output()).success);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {}); // it was killed
    await this.#child.status;
    await this.#child.stdout.cancel().catch(() => {});
  }
}

Deno.test("where the disk takes no more nothing is half stored, and it goes on by itself", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  await using store = await StoreChild.start(path);
  const rows = 5_000;
  assert.equal(await store.commit(1, rows), "committed");
  await store.limitFiles(10_000);
  for (let attempt = 0; attempt < 3; attempt++) {
    assert.match(await store.commit(rows + 1, rows), /^(full|io): cannot /);
  }
  {
    using reader = new SqliteReader(path);
    assert.equal(reader.run("run")!.counts.steps, rows);
  }
  await store.limitFiles("unlimited");
  assert.equal(await store.commit(rows + 1, rows), "committed");
  using reader = new SqliteReader(path);
  const { step } = reader.steps("run", {}, null, 3 * rows).rows;
  assert.deepEqual([...step].map(Number), Array.from({ length: 2 * rows }, (_, i) => i + 1));
  using db = new DatabaseSync(path, { readOnly: true });
  assert.equal(db.prepare("PRAGMA integrity_check").get()!.integrity_check, "ok");
});

Deno.test("a reader that never lets go is named, and at the limit nothing is committed", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  const mib = 2 ** 20;
  using store = new SqliteStore(path, {
    wal: { checkpointForcedBytes: mib / 4, heldBytes: mib, bytesMax: 2 * mib },
  });
  register(store);
  const person = new Deno.Command("sqlite3", {
    args: ["-batch", path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = person.stdin.getWriter();
  const lines = new LineReader(person.stdout);
  await input.write(new TextEncoder().encode("BEGIN; SELECT count(*) FROM run;\n"));
  assert.equal(await lines.next("sqlite3"), "1");
  let next = 1;
  const commitSome = () => {
    store.commit([stepBatch(STREAM, next, 1_000)]);
    next += 1_000;
  };
  assert.throws(() => {
    for (let i = 0; i < 1_000; i++) commitSome();
  }, isUnavailable("locked"));
  const { walHeldBy } = store.stats();
  assert.equal(walHeldBy!.pid, person.pid);
  assert(walHeldBy!.bytes >= 2 * mib, `${walHeldBy!.bytes}`);
  // Whatever else writes would tell that the store is well, and make the WAL longer.
  for (const write of [() => store.probe(), () => store.idle(), () => register(store)]) {
    assert.throws(write, isUnavailable("locked"));
  }
  await input.close();
  await person.status;
  await person.stdout.cancel().catch(() => {});
  commitSome();
  assert.equal(store.stats().walHeldBy, null);
});

Deno.test("a run that makes a series at every step is refused before it fills the memory", async () => {
  await using box = await TestBox.create();
  using store = new SqliteStore(databasePath(box.dataDir));
  register(store);
  const count = 100_001;
  const [result] = store.commit([{
    ...{ kind: "samples", stream: STREAM, firstSequence: 1n, count },
    rows: {
      names: Array.from({ length: count }, (_, i) => `loss_${i}`),
      series: Uint32Array.from({ length: count }, (_, i) => i),
      timeUnixNs: new BigInt64Array(count).fill(START_UNIX_NS),
      step: null,
      value: new Float64Array(count),
    },
  }]);
  assert.deepEqual(result, { outcome: "refused", reason: "a run may have 100000 series" });
});

Deno.test("the WAL stays small while batches come without a pause", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  const mib = 2 ** 20;
  using store = new SqliteStore(path, { wal: { checkpointForcedBytes: mib } });
  register(store);
  for (let i = 0; i < 400; i++) store.commit([stepBatch(STREAM, 1 + i * 500, 500)]);
  const { walBytes, databaseBytes, checkpoints } = store.stats();
  assert(databaseBytes > 5 * mib, `${databaseBytes}`);
  assert(walBytes < 4 * mib, `${walBytes}`);
  assert(checkpoints > 2 && checkpoints < 50, `${checkpoints}`);
  store.idle();
  assert.equal(store.stats().walBytes, 0, "an idle moment gives the space back");
});

Deno.test("a reader sees what a killed writer committed", async () => {
  await using box = await TestBox.create();
  const path = databasePath(box.dataDir);
  const store = await StoreChild.start(path);
  assert.equal(await store.commit(1, 100), "committed");
  store.kill();
  await store[Symbol.asyncDispose]();
  using reader = new SqliteReader(path);
  assert.equal(reader.steps("run", {}, null, 1_000).rows.step.length, 100);
});
