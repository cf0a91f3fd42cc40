import assert from "node:assert/strict";
import { decodeMulti } from "@msgpack/msgpack";
import { databasePath, openStore } from "../../core/storage/open.ts";
import type { StoreWriter } from "../../core/storage/store.ts";
import { TestBox } from "../harness/box.ts";
import { shell, startTelebridge, telebridge } from "../harness/command.ts";
import { LineReader } from "../harness/line_reader.ts";
import { atMs, StoredRun } from "../harness/stored_runs.ts";

type JsonRecord = Record<string, unknown> & { type: string };

function parseLines(text: string): JsonRecord[] {
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** One row of every kind, with what is hard to write. */
function storeOneOfEach(writer: StoreWriter): void {
  const run = new StoredRun(writer, "tale");
  run.add("params", [{ key: "net", valueJson: '{"layers":\n[64, 64]}', timeUnixNs: atMs(0) }]);
  run.addSteps([
    { ms: 1, step: 1, reward: NaN, extraJson: '{"info":\n"a, b"}' },
    { ms: 2, step: 2, reward: -Infinity },
  ]);
  run.addSamples([{ ms: 3, series: 'loss, "x"', value: Infinity, step: 2 }]);
  run.addSamples([{ ms: 4, series: "acc", value: 0.1 }]);
  run.add("histograms", [{
    series: "weights",
    timeUnixNs: atMs(5),
    step: null,
    edges: Float64Array.of(-Infinity, 0.5, 2),
    counts: BigUint64Array.of(3n, 2n ** 60n),
  }]);
  run.addLog(6, 'line, "one"\nline two ✓');
  run.addEpisode(0, 0, 7);
  run.add("checkpoints", [{
    name: "best.pt",
    timeUnixNs: atMs(8),
    step: 2n,
    sizeBytes: 12n,
    sha256: "ab".repeat(32),
    metadataJson: "",
  }]);
  run.finish(9);
}

Deno.test("replay: every kind as NDJSON, in order of time, with numbers that JSON does not have", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeOneOfEach(store);
  }
  const ended = await telebridge(box, "replay", "tale", "--kinds", "all");
  assert.deepEqual([ended.code, ended.stderr], [0, ""]);
  const ns = (ms: number) => `"time_unix_ns":${atMs(ms)}`;
  const sha256 = "ab".repeat(32);
  assert.deepEqual(ended.stdout.split("\n"), [
    `{"type":"params",${ns(0)},"values":{"net":{"layers": [64, 64]}}}`,
    `{"type":"step",${ns(1)},"step":1,"episode":0,"reward":"NaN","terminated":false,` +
    `"truncated":false,"extra":{"info": "a, b"}}`,
    `{"type":"step",${ns(2)},"step":2,"episode":0,"reward":"-Infinity","terminated":false,` +
    `"truncated":false}`,
    `{"type":"sample",${ns(3)},"series":"loss, \\"x\\"","step":2,"value":"Infinity"}`,
    `{"type":"sample",${ns(4)},"series":"acc","step":null,"value":0.1}`,
    `{"type":"histogram",${ns(5)},"series":"weights","step":null,` +
    `"edges":["-Infinity",0.5,2],"counts":[3,1152921504606846976]}`,
    `{"type":"log",${ns(6)},"level":"info","source":"stdout",` +
    `"text":"line, \\"one\\"\\nline two ✓","step":null}`,
    `{"type":"episode",${ns(7)},"episode":0,"start_time_unix_ns":${atMs(0)},"first_step":0,` +
    `"length":10,"return":0.5,"terminated":true,"truncated":false}`,
    `{"type":"checkpoint",${ns(8)},"name":"best.pt","step":2,"size_bytes":12,` +
    `"sha256":"${sha256}","metadata":null}`,
    "",
  ]);
  const usual = await telebridge(box, "replay", "tale");
  const types = new Set(parseLines(usual.stdout).map(({ type }) => type));
  assert.deepEqual([...types], ["step", "sample", "log", "episode"], "unless others are asked for");
});

Deno.test("replay: MessagePack holds the records of NDJSON", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeOneOfEach(store);
  }
  const packed = await telebridge(box, "replay", "tale", "--kinds", "all", "--format", "msgpack");
  const records = [...decodeMulti(packed.stdoutBytes, { useBigInt64: true })] as JsonRecord[];
  const lines = await telebridge(box, "replay", "tale", "--kinds", "all");
  const written = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value)
      ? String(value)
      : typeof value === "bigint"
      ? Number(value)
      : value;
  assert.deepEqual(
    records.map((record) => JSON.parse(JSON.stringify(record, written))),
    parseLines(lines.stdout),
  );
  assert.equal(records[1]!.time_unix_ns, atMs(1), "to the ns");
  assert(Number.isNaN(records[1]!.reward), "a number of its own");
});

Deno.test("replay: CSV as somebody else's program reads it, one kind at a time", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeOneOfEach(store);
  }
  const read = async (kind: string) => {
    const python = "import csv,json,sys; print(json.dumps(list(csv.DictReader(sys.stdin))))";
    const line = `telebridge replay tale --kinds ${kind} --format csv | python3 -c '${python}'`;
    return JSON.parse((await shell(box, line)).stdout);
  };
  assert.deepEqual(await read("steps"), [
    {
      ...{ time_unix_ns: `${atMs(1)}`, step: "1", episode: "0", reward: "NaN" },
      ...{ terminated: "false", truncated: "false", extra: '{"info":\n"a, b"}' },
    },
    {
      ...{ time_unix_ns: `${atMs(2)}`, step: "2", episode: "0", reward: "-Infinity" },
      ...{ terminated: "false", truncated: "false", extra: "" },
    },
  ]);
  assert.deepEqual(await read("samples"), [
    { time_unix_ns: `${atMs(3)}`, series: 'loss, "x"', step: "2", value: "Infinity" },
    { time_unix_ns: `${atMs(4)}`, series: "acc", step: "", value: "0.1" },
  ]);
  const [line] = await read("logs");
  assert.equal(line.text, 'line, "one"\nline two ✓');
  for (const kind of ["episodes", "params", "histograms", "checkpoints"]) {
    const [row, ...others] = await read(kind);
    assert.equal(others.length, 0);
    assert(!Object.keys(row).includes("null") && !Object.values(row).includes(null), kind);
  }
});

/** 30,000 steps 1 ms apart, with a sample between each and the next. */
function storeLong(writer: StoreWriter): void {
  const run = new StoredRun(writer, "long");
  for (let from = 0; from < 30_000; from += 1_000) {
    const numbers = Array.from({ length: 1_000 }, (_, n) => from + n);
    run.addSteps(numbers.map((n) => ({ ms: n, step: n })));
    run.addSamples(
      numbers.map((n) => ({ ms: n, series: n % 2 ? "odd" : "even", value: n, step: n })),
    );
  }
  while (writer.idle()); // into chunks
}

Deno.test("replay: all of a long run, of some series, and a part of it", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeLong(store);
  }
  const whole = parseLines((await telebridge(box, "replay", "long")).stdout);
  assert.equal(whole.length, 60_000);
  const times = whole.map((record) => record.time_unix_ns as number);
  assert(times.every((time, at) => at === 0 || time >= times[at - 1]!));
  const samples = whole.filter(({ type }) => type === "sample").map(({ step }) => step);
  assert.deepEqual(samples, Array.from({ length: 30_000 }, (_, n) => n));

  const odd = ["replay", "long", "--kinds", "samples", "--series", "odd"];
  const part = await telebridge(box, ...odd, "--from", "step:100", "--to", "step:103");
  assert.deepEqual(parseLines(part.stdout).map(({ value }) => value), [101, 103]);
});

Deno.test("replay: whoever reads no more ends it, quietly", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeLong(store);
  }
  for (const format of ["ndjson", "msgpack"]) {
    const line =
      `telebridge replay long --format ${format} | head -c 20; echo " \${PIPESTATUS[*]}"`;
    const ended = await shell(box, line);
    assert.match(ended.stdout, / 0 0\n$/);
    assert.equal(ended.stderr, "");
  }
});

Deno.test("replay: --speed 1 takes its time, and Ctrl-C ends it between two records", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    const run = new StoredRun(store, "slow");
    run.addSteps([{ ms: 0, step: 0 }, { ms: 10, step: 1 }, { ms: 3_600_000, step: 2 }]);
  }
  const child = startTelebridge(box, "replay", "slow", "--speed", "1");
  const lines = new LineReader(child.stdout);
  for (const step of [0, 1]) {
    assert.equal(JSON.parse(await lines.next("replay")).step, step);
  }
  child.kill("SIGINT");
  assert.equal((await child.status).code, 130);
  assert.equal(await new Response(child.stderr).text(), "");
});

Deno.test("replay: Ctrl-C ends it also when nobody reads what it writes", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeLong(store);
  }
  const child = startTelebridge(box, "replay", "long");
  // Megabytes are to come, and a pipe holds 64 KiB.
  await new LineReader(child.stdout).next("replay");
  child.kill("SIGINT");
  assert.equal((await child.status).code, 130);
  await child.stderr.cancel();
});

Deno.test("replay: --follow sees what is stored later, until the run ends", async () => {
  await using box = await TestBox.create();
  using store = openStore(databasePath(box.dataDir));
  const run = new StoredRun(store, "going");
  run.addSteps([{ ms: 0, step: 0 }]);
  const child = startTelebridge(box, "replay", "going", "--follow");
  const lines = new LineReader(child.stdout);
  assert.equal(JSON.parse(await lines.next("replay")).step, 0);
  for (let step = 1; step <= 3; step++) {
    run.addSteps([{ ms: step, step }]);
    assert.equal(JSON.parse(await lines.next("replay")).step, step);
  }
  run.addLog(9, "the last line");
  run.finish(10);
  assert.equal(JSON.parse(await lines.next("replay")).text, "the last line");
  assert.equal((await child.status).code, 0);
  assert.equal(await new Response(child.stderr).text(), "");
});

Deno.test("replay: a run that is deleted under it is an error that says so", async () => {
  await using box = await TestBox.create();
  using store = openStore(databasePath(box.dataDir));
  new StoredRun(store, "going").addSteps([{ ms: 0, step: 0 }]);
  const child = startTelebridge(box, "replay", "going", "--follow");
  await new LineReader(child.stdout).next("replay");
  store.deleteRun("going");
  assert.equal((await child.status).code, 1);
  assert.match(await new Response(child.stderr).text(), /the run was deleted meanwhile/);
});

Deno.test("replay: progress is on the terminal while the rows go elsewhere", async () => {
  await using box = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeLong(store);
  }
  const command =
    `${Deno.execPath()} run --allow-all --quiet main.ts replay long > ${box.folder}/rows`;
  const { stdout } = await shell(box, `script --quiet --return --command '${command}' /dev/null`);
  assert.match(stdout, /long .*100% \| 60,000 rows/);
  const rows = await Deno.readTextFile(`${box.folder}/rows`);
  assert.equal(parseLines(rows).length, 60_000);
});

Deno.test("replay: mistakes end with one line that helps", async () => {
  await using box = await TestBox.create();
  await using empty = await TestBox.create();
  {
    using store = openStore(databasePath(box.dataDir));
    storeLong(store);
  }
  const cases: [string[], RegExp][] = [
    [["lnog"], /there is no stored run "lnog"; did you mean long\?/],
    [["zzzzzz"], /there is no stored run "zzzzzz"; telebridge runs lists them/],
    [["long", "--from", "100"], /--from is "100", expected step:N/],
    [["long", "--from", "step:40000"], /run long has nothing from step:40000 on/],
    [["long", "--from", "step:7", "--to", "step:6"], /--to step:6 is before --from step:7/],
    [["long", "--speed", "0"], /--speed is "0", expected max or a number/],
    [["long", "--kinds", "frames"], /--kinds: there is no "frames", expected some of steps,/],
    [["long", "--format", "csv"], /csv holds one kind of rows: name it/],
    [["long", "--series", "evne"], /has no series "evne"; did you mean even\?/],
  ];
  for (const [args, message] of cases) {
    const ended = await telebridge(box, "replay", ...args);
    assert.equal(ended.code, 1, `${args}`);
    assert.match(ended.stderr, message);
    assert.deepEqual([ended.stdout, ended.stderr.split("\n").length], ["", 2]);
  }
  const nothing = await telebridge(empty, "replay", "long");
  assert.match(nothing.stderr, /no run has been stored in .* yet/);
});
