import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { databasePath, openStore } from "../../core/storage/open.ts";
import { checkpointPath } from "../../core/storage/paths.ts";
import { decodeF64 } from "../../proto/f64.ts";
import type {
  StoredEpisodesPage,
  StoredLogsPage,
  StoredRunDetails,
  StoredRunsPage,
  StoredWindows,
} from "../../proto/history.ts";
import { TestBox } from "../harness/box.ts";
import { Serve } from "../harness/serve.ts";
import { atMs, StoredRun } from "../harness/stored_runs.ts";

const START_MS = Number(atMs(0) / 1_000_000n);
const FILE = new TextEncoder().encode("weights".repeat(100_000));
const SHA256 = createHash("sha256").update(FILE).digest("hex");

/** Two runs, one of them with some of everything. */
function storeRuns(box: TestBox): void {
  using store = openStore(databasePath(box.dataDir));
  new StoredRun(store, "older", { startTimeUnixNs: atMs(-5_000), tags: ["a"] }).finish(-4_000);
  const run = new StoredRun(store, "tale", { tags: ["a", "b"], metadataJson: '{"host":"box"}' });
  run.addSamples(
    Array.from(
      { length: 5_000 },
      (_, n) => ({ ms: n, series: "loss", value: Math.sin(n), step: n }),
    ),
  );
  run.addSamples([{ ms: 1, series: "entropy", value: NaN }, {
    ms: 2,
    series: "entropy",
    value: Infinity,
  }]);
  for (let n = 0; n < 25; n++) run.addLog(n, `line ${n}`);
  for (let n = 0; n < 5; n++) run.addEpisode(n, n * 100, n * 100 + 95);
  run.add("params", [{ key: "lr", valueJson: "0.001", timeUnixNs: atMs(0) }]);
  run.add("checkpoints", [{
    name: 'best "ü".pt',
    timeUnixNs: atMs(9),
    step: 9n,
    sizeBytes: BigInt(FILE.length),
    sha256: SHA256,
    metadataJson: "",
  }]);
  const path = checkpointPath(box.dataDir, SHA256);
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeFileSync(path, FILE);
}

async function json<Body>(serve: Serve, path: string): Promise<Body> {
  const response = await serve.fetch(`/api/history/${path}`);
  assert.equal(response.status, 200, path);
  return await response.json();
}

Deno.test("history: pages read what is stored of runs", async (t) => {
  await using box = await TestBox.create();
  storeRuns(box);
  const serve = await Serve.start(box, { args: ["--view-token"] });

  await t.step("the runs, page by page, by tags and by words", async () => {
    const first = await json<StoredRunsPage>(serve, "runs?limit=1");
    assert.deepEqual(first.runs.map(({ id }) => id), ["tale"]);
    const second = await json<StoredRunsPage>(serve, `runs?limit=1&after=${first.next}`);
    assert.deepEqual(second.runs.map(({ id, state }) => [id, state]), [["older", "finished"]]);
    assert.equal(second.next, null);
    assert.equal(second.runs[0]!.endedAtMs, START_MS - 4_000);
    const tagged = await json<StoredRunsPage>(serve, "runs?tag=a&tag=b");
    assert.deepEqual(tagged.runs.map(({ id }) => id), ["tale"]);
    const found = await json<StoredRunsPage>(serve, "runs?word=OLD&word=finish");
    assert.deepEqual(found.runs.map(({ id }) => id), ["older"]);
  });

  await t.step("one run", async () => {
    const run = await json<StoredRunDetails>(serve, "runs/tale");
    assert.equal(run.startedAtMs, START_MS);
    assert.equal(run.rows.samples, 5_002);
    assert.deepEqual(run.metadata, { host: "box" });
    assert.deepEqual(run.params, [{ key: "lr", valueJson: "0.001" }]);
    const series = run.series.map((
      { name, samples, lastValue },
    ) => [name, samples, decodeF64(lastValue)[0]]);
    assert.deepEqual(series, [["entropy", 2, Infinity], ["loss", 5_000, Math.sin(4_999)]]);
    assert.deepEqual(run.checkpoints, [{
      ...{ name: 'best "ü".pt', step: 9, sizeBytes: FILE.length, sha256: SHA256 },
      atMs: START_MS + 9,
    }]);
  });

  await t.step("windows: samples where they are few, else envelopes of them", async () => {
    const all = await json<StoredWindows>(serve, "runs/tale/windows?points=100");
    assert.deepEqual(all.windows.map(({ name }) => name), ["entropy", "loss"]);
    assert.deepEqual([...decodeF64(all.windows[0]!.value)], [NaN, Infinity]);
    const loss = all.windows[1]!;
    assert.equal(loss.samples, 5_000);
    assert(decodeF64(loss.value).length <= 200, "about as many points as were asked for");
    assert(Math.min(...decodeF64(loss.min!)) < -0.999 && Math.max(...decodeF64(loss.max!)) > 0.999);
    const startS = START_MS / 1000;
    const path = `runs/tale/windows?series=loss&from=${startS + 1}&to=${startS + 1.01}`;
    const [part] = (await json<StoredWindows>(serve, path)).windows;
    assert.equal(part!.samples, 11);
    assert.deepEqual([...decodeF64(part!.step)], Array.from({ length: 11 }, (_, n) => 1_000 + n));
    assert.equal(part!.min, undefined);
  });

  await t.step("the log, from its beginning and from its end", async () => {
    const first = await json<StoredLogsPage>(serve, "runs/tale/logs?limit=20");
    const second = await json<StoredLogsPage>(serve, `runs/tale/logs?after=${first.next}`);
    const texts = [...first.logs, ...second.logs].map(({ text }) => text);
    assert.deepEqual(texts, Array.from({ length: 25 }, (_, n) => `line ${n}`));
    assert.equal(second.next, null);
    const tail = await json<StoredLogsPage>(serve, "runs/tale/logs?tail=2");
    assert.deepEqual(tail.logs.map(({ text, atMs }) => [text, atMs]), [
      ["line 23", START_MS + 23],
      ["line 24", START_MS + 24],
    ]);
    const after = await json<StoredLogsPage>(serve, `runs/tale/logs?after=${tail.end}`);
    assert.deepEqual(after.logs, []);
  });

  await t.step("episodes", async () => {
    const page = await json<StoredEpisodesPage>(serve, "runs/tale/episodes?limit=3");
    const seen = page.episodes.map((row) => [row.episode, decodeF64(row.episodeReturn)[0]]);
    assert.deepEqual(seen, [[0, 0.5], [1, 1.5], [2, 2.5]]);
    const rest = await json<StoredEpisodesPage>(serve, `runs/tale/episodes?after=${page.next}`);
    assert.equal(rest.episodes.length, 2);
  });

  await t.step("the bytes of a checkpoint, to be kept under its name", async () => {
    const path = `/api/history/runs/tale/checkpoints/${SHA256}`;
    const response = await serve.fetch(path);
    assert.equal(response.headers.get("content-length"), String(FILE.length));
    assert.equal(
      response.headers.get("content-disposition"),
      "attachment; filename=\"best ___.pt\"; filename*=UTF-8''best%20%22%C3%BC%22.pt",
    );
    assert.deepEqual(await response.bytes(), FILE);
    const other = await serve.fetch(`/api/history/runs/older/checkpoints/${SHA256}`);
    assert.equal(other.status, 404, "it belongs to another run");
    await other.body?.cancel();
    await Deno.remove(checkpointPath(box.dataDir, SHA256));
    const gone = await serve.fetch(path);
    assert.equal(gone.status, 404);
    await gone.body?.cancel();
  });

  await t.step("of a run that may have stored nothing", async () => {
    assert.equal(await json<StoredRunDetails | null>(serve, "runs/nobody?optional=1"), null);
    assert.equal((await json<StoredRunDetails>(serve, "runs/tale?optional=1")).id, "tale");
  });

  await t.step("mistakes are told", async () => {
    const cases: [path: string, status: number, message: RegExp][] = [
      ["runs?limit=0", 400, /limit is "0", expected a whole number from 1 to 1000/],
      ["runs?limit=1&limit=2", 400, /limit is given more than once/],
      ["runs?offset=1", 400, /no parameter "offset", but after, limit, tag/],
      ["runs?after=x", 400, /no page after "x"/],
      ["runs/nobody", 404, /nothing is stored of a run "nobody"/],
      ["runs/nobody/windows", 404, /nothing is stored/],
      ["runs/tale/windows?from=now", 400, /from is "now", expected seconds since 1970/],
      ["runs/tale/windows?points=1", 400, /points is "1"/],
      ["runs/tale/logs?tail=2&limit=3", 400, /tail goes without after and limit/],
      ["runs/tale/checkpoints/..%2f..%2ftoken", 400, /64 hexadecimal digits/],
      ["runs/tale/nothing", 404, /there is nothing at/],
      ["runs/.hidden", 404, /there is nothing at/],
    ];
    for (const [path, status, message] of cases) {
      const response = await serve.fetch(`/api/history/${path}`);
      assert.equal(response.status, status, path);
      assert.match((await response.json()).error, message);
    }
  });

  await t.step("who may watch may read, and nobody else", async () => {
    const ask = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(`${serve.origin}/api/history/runs`, { headers });
      await response.body?.cancel();
      return response.status;
    };
    assert.equal(await ask(serve.ready.viewToken!), 200);
    assert.equal(await ask("x".repeat(43)), 401);
  });
});
