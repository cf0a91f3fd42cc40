import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { init } from "../../clients/ts/mod.ts";
import { databasePath, openReader, openStore } from "../../core/storage/open.ts";
import { checkpointPath } from "../../core/storage/paths.ts";
import { TestBox } from "../harness/box.ts";
import { shell, startTelebridge, telebridge } from "../harness/command.ts";
import { LineReader } from "../harness/line_reader.ts";
import { Serve } from "../harness/serve.ts";
import { atMs, StoredRun } from "../harness/stored_runs.ts";

const SHARED = fileOf("shared weights");
const OWN = fileOf("weights of ant alone");

function fileOf(text: string) {
  const bytes = new TextEncoder().encode(text);
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Two finished runs that share a file; `ant` has one more. */
function storeRuns(box: TestBox): void {
  using store = openStore(databasePath(box.dataDir));
  for (const [index, name] of ["ant", "cartpole"].entries()) {
    const run = new StoredRun(store, name, {
      startTimeUnixNs: atMs(index * 1_000),
      tags: ["rl", name],
      metadataJson: '{"host":"box"}',
    });
    run.addSteps(Array.from({ length: 30 }, (_, step) => ({ ms: step, step })));
    run.addSamples([{ ms: 1, series: "loss", value: NaN }]);
    run.add("params", [{ key: "lr", valueJson: "0.001", timeUnixNs: atMs(0) }]);
    for (const { bytes, sha256 } of name === "ant" ? [SHARED, OWN] : [SHARED]) {
      run.add("checkpoints", [{
        ...{ name: "best.pt", timeUnixNs: atMs(5), step: 5n, metadataJson: "" },
        ...{ sizeBytes: BigInt(bytes.length), sha256 },
      }]);
      const path = checkpointPath(box.dataDir, sha256);
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true, mode: 0o700 });
      Deno.writeFileSync(path, bytes);
    }
    run.finish(90_000);
  }
}

async function json<Value>(box: TestBox, ...args: string[]): Promise<Value> {
  const ended = await telebridge(box, "runs", ...args, "--json");
  assert.deepEqual([ended.code, ended.stderr], [0, ""], args.join(" "));
  return JSON.parse(ended.stdout);
}

interface RunJson {
  run_id: string;
  tags: string[];
  note: string;
  rows: Record<string, number>;
}

const exists = (path: string) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
};

/** All that changes runs, whoever does it. */
async function changeAll(box: TestBox): Promise<void> {
  const tagged = await json<RunJson>(box, "tag", "ant", "+good", "-rl", "--add", "-odd");
  assert.deepEqual(tagged.tags, ["-odd", "ant", "good"]);
  assert.deepEqual((await json<RunJson>(box, "tag", "ant", "--remove", "-odd")).tags, [
    "ant",
    "good",
  ]);
  const noted = await json<RunJson>(box, "note", "ant", 'the "good" one');
  assert.equal(noted.note, 'the "good" one');
  assert.equal((await json<RunJson>(box, "note", "ant", "")).note, "");
  const listed = await json<RunJson[]>(box, "--tag", "ant", "--tag", "good");
  assert.deepEqual(listed.map(({ run_id }) => run_id), ["ant"]);

  const { deleted } = await json<{ deleted: RunJson[] }>(box, "delete", "ant", "--yes");
  assert.deepEqual(deleted.map(({ run_id, rows }) => [run_id, rows.steps]), [["ant", 30]]);
  const left = await json<RunJson[]>(box);
  assert.deepEqual(left.map(({ run_id }) => run_id), ["cartpole"]);
  assert.equal(exists(checkpointPath(box.dataDir, OWN.sha256)), false, "nobody has it any more");
  assert.equal(exists(checkpointPath(box.dataDir, SHARED.sha256)), true, "cartpole has it still");
}

Deno.test("runs: changes without a server", async () => {
  await using box = await TestBox.create();
  storeRuns(box);
  await changeAll(box);
});

Deno.test("runs: the same by the server that runs", async () => {
  await using box = await TestBox.create();
  storeRuns(box);
  const serve = await Serve.start(box);
  await changeAll(box);
  const { runs } = await (await serve.fetch("/api/history/runs")).json();
  assert.deepEqual(runs.map(({ id }: { id: string }) => id), ["cartpole"], "its pages see it");
});

Deno.test("runs: a list for people, and all about one", async () => {
  await using box = await TestBox.create();
  const nothing = await telebridge(box, "runs");
  assert.deepEqual([nothing.code, nothing.stdout], [0, ""]);
  assert.match(nothing.stderr, /no run has been stored in .* yet/);
  storeRuns(box);
  const list = await telebridge(box, "runs");
  const [header, first, second] = list.stdout.split("\n");
  assert.match(header!, /^RUN +STATE +STARTED +TOOK +STEPS +EPISODES +SAMPLES +TAGS$/);
  assert.match(
    first!,
    /^cartpole +finished +2026-11-21T10:40:01\.000Z +1 min 29 s +30 +0 +1 +cart/,
  );
  assert.equal(first!.indexOf("finished"), second!.indexOf("finished"), "in columns");
  const shown = await telebridge(box, "runs", "show", "ant");
  const parts = ["run +ant", "tags +ant, rl", "30 steps", "lr +0.001", "loss +1 +NaN", OWN.sha256];
  for (const part of parts) assert.match(shown.stdout, new RegExp(part));
  const details = await json<Record<string, unknown>>(box, "show", "ant");
  assert.deepEqual(details.params, { lr: 0.001 });
  assert.deepEqual(details.metadata, { host: "box" });
  assert.deepEqual(details.series, [{ name: "loss", samples: 1, last_value: "NaN" }]);
});

Deno.test("runs: on a terminal times are relative, and deleting asks first", async () => {
  await using box = await TestBox.create();
  storeRuns(box);
  const command = `${Deno.execPath()} run --allow-all --quiet main.ts runs`;
  const onTerminal = (args: string, answer: string) =>
    shell(box, `echo ${answer} | script --quiet --return --command '${command} ${args}' /dev/null`);
  assert.match((await onTerminal("", "")).stdout, /cartpole +finished +(\d+ \w+ ago|just now)/);
  assert.equal((await telebridge(box, "runs", "note", "ant", "one\n\x1b[2Jtwo")).code, 0);
  assert.match((await onTerminal("note ant", "")).stdout, /one\r?\n\\x1b\[2Jtwo/);
  assert.equal((await telebridge(box, "runs", "note", "ant")).stdout, "one\n\x1b[2Jtwo\n");
  const kept = await onTerminal("delete ant cartpole", "n");
  assert.match(kept.stdout, /Delete 2 runs \(ant, cartpole\) with 67 rows for good\? \[y\/N\]/);
  assert.equal(kept.code, 1);
  assert.equal((await json<RunJson[]>(box)).length, 2);
  const gone = await onTerminal("delete ant", "y");
  assert.equal(gone.code, 0, gone.stdout);
  assert.deepEqual((await json<RunJson[]>(box)).map(({ run_id }) => run_id), ["cartpole"]);
});

Deno.test("runs: mistakes change nothing, and say what helps", async () => {
  await using box = await TestBox.create();
  storeRuns(box);
  const cases: [string[], RegExp][] = [
    [["show", "cartpol"], /no stored run "cartpol"; did you mean cartpole\?/],
    [["delete", "ant"], /run ant would be deleted; --yes deletes without asking/],
    [["delete", "ant", "nobody", "--yes"], /no stored run "nobody"/],
    [["tag", "ant", "good"], /"good" says nothing; \+good adds it, -good removes it/],
    [["tag", "ant", "--jsno"], /there is no option --jsno/],
    [["tag", "ant", "+"], /"" is no tag/],
    [["shwo", "ant"], /no command "runs shwo"; did you mean runs show\?/],
    [["ant"], /no command "runs ant"; there are list, show, .*runs show ant shows a run/],
    [["--data-dir", databasePath(box.dataDir)], /^telebridge: cannot open .*: Not a directory/],
  ];
  for (const [args, message] of cases) {
    const ended = await telebridge(box, "runs", ...args);
    assert.equal(ended.code, 1, args.join(" "));
    assert.match(ended.stderr, message);
  }
  const runs = await json<RunJson[]>(box);
  assert.deepEqual(runs.map(({ tags }) => tags), [["cartpole", "rl"], ["ant", "rl"]]);
  assert.deepEqual(await json(box, "list"), runs);
  assert.deepEqual(await json(box, "list", "--tag", "ant"), runs.slice(1));
});

Deno.test("runs: what a real client publishes is listed, replayed as it comes, and deleted when it ended", async () => {
  await using box = await TestBox.create();
  await Serve.start(box);
  const run = init({
    run: "real",
    dataDir: box.dataDir,
    spoolDir: `${box.folder}/spool`,
    tags: ["live"],
  });
  let ended = false;
  box.onEnd(async () => {
    if (!ended) await run.finish({ timeoutMs: 1_000 });
  });
  run.step({ step: 0, reward: 1 });
  assert(await run.flush());
  const follow = startTelebridge(
    box,
    "replay",
    "real",
    "--follow",
    "--kinds",
    "steps,samples,logs",
  );
  const lines = new LineReader(follow.stdout);
  const next = async () => JSON.parse(await lines.next("replay"));
  assert.equal((await next()).step, 0);
  run.log({ "train/loss": 0.25 }, { step: 1 });
  assert.deepEqual(pick(await next(), ["type", "series", "step", "value"]), {
    ...{ type: "sample", series: "train/loss", step: 1, value: 0.25 },
  });
  run.text("note", "hello");
  assert.equal((await next()).text, "hello");

  const refused = await telebridge(box, "runs", "delete", "real", "--yes");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /run real is being published/);
  assert.deepEqual((await json<RunJson[]>(box)).map(({ tags }) => tags), [["live"]]);

  await run.finish();
  ended = true;
  assert.equal((await follow.status).code, 0, "the replay ends with the run");
  await follow.stderr.cancel();
  const deleted = await telebridge(box, "runs", "delete", "real", "--yes");
  assert.match(deleted.stdout, /deleted real: \d+ rows/);
  using reader = openReader(databasePath(box.dataDir))!;
  assert.equal(reader.run("real"), null);
});

function pick(record: Record<string, unknown>, names: string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}
