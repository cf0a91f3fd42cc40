/** `telebridge run`: somebody else's command, stored and shown, and otherwise as it was. */

import assert from "node:assert/strict";
import { Hud } from "../../ffi/layout.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { shell } from "../harness/command.ts";
import { openLibrary } from "../harness/library.ts";
import { waitFor } from "../harness/wait.ts";
import { startServer } from "../clients/server.ts";
import { Stored } from "../clients/stored.ts";

interface Ending {
  code: number;
  stdout: string;
  stderr: string;
}

interface Options {
  flags?: string[];
  environment?: Record<string, string>;
}

/** `telebridge run NAME [flags] -- command`, as somebody types it. */
function start(box: TestBox, runId: string, command: string[], options: Options = {}) {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--cached-only", "--quiet", `${ROOT}main.ts`, "run", runId],
      ...["--data-dir", box.dataDir, ...options.flags ?? []],
      "--",
      ...command,
    ],
    env: {
      ...box.environment,
      TELEBRIDGE_SPOOL_DIR: `${box.folder}/spool`,
      ...options.environment,
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function ended(child: Deno.ChildProcess): Promise<Ending> {
  const { code, stdout, stderr } = await child.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

function runScript(box: TestBox, runId: string, script: string, options?: Options) {
  return ended(start(box, runId, ["sh", "-c", script], options));
}

Deno.test("run: lines with a type are rows, all others are the log", async () => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("lines");
  const lines = [
    '{"type": "params", "values": {"lr": 0.5}}',
    '{"type": "step", "step": 1, "episode": 2, "reward": 1.5, "terminated": true, "extra": {"a": 1}}',
    '{"type": "scalars", "step": 1, "values": {"loss": NaN, "größe": 2}}',
    '{"type": "scalars", "step": 2, "loss": -Infinity}',
    '{"type": "sample", "series": "x", "value": 3, "step": 2}',
    '{"type": "episode", "episode": 2, "return": 1.5, "length": 2}',
    '{"type": "histogram", "series": "h", "edges": [0, 1], "counts": [4]}',
    '{"type": "log", "level": "warning", "source": "opt", "text": "large"}',
    "plain text",
    '{"no": "type"}',
    '{"type": "constructor", "inputs": []}',
    '{"type": "step", "step": ',
    '{"type": "step", "step": "one"}',
    " 10%\r 50%\r\x1b[32m100%\x1b[0m",
  ];
  await Deno.writeTextFile(`${box.folder}/lines`, lines.join("\n"));
  const script = `cat ${box.folder}/lines; echo complaint >&2`;
  const flags = ["--tags", "a,b", "--param", "seed=1"];
  const { code, stdout, stderr } = await runScript(box, runId, script, { flags });
  assert.equal(code, 0);
  assert.equal(stdout, lines.join("\n"));
  assert.match(stderr, /^complaint$/m);
  assert.match(stderr, /2 lines looked like records and were none/);

  using stored = new Stored(box, runId);
  assert.equal(stored.run?.state, "finished");
  assert.deepEqual(stored.run?.tags.toSorted(), ["a", "b"]);
  assert.deepEqual([stored.params.lr, stored.params.seed], [0.5, "1"]);
  assert.deepEqual(stored.steps(), [
    { step: 1, episode: 2, reward: 1.5, terminated: true, truncated: false, extra: { a: 1 } },
  ]);
  assert.deepEqual(stored.samples(), [
    { series: "loss", step: 1, value: NaN },
    { series: "größe", step: 1, value: 2 },
    { series: "loss", step: 2, value: -Infinity },
    { series: "x", step: 2, value: 3 },
  ]);
  assert.equal(stored.episodes()[0]?.episodeReturn, 1.5);
  assert.deepEqual(stored.histograms().map(({ counts }) => [...counts]), [[4n]]);
  const logs = stored.logs().map(({ source, text, level }) => [source, text, level]);
  assert.deepEqual(logs.filter(([source]) => source !== "stderr"), [
    ["opt", "large", 3],
    ["stdout", "plain text", 2],
    ["stdout", '{"no": "type"}', 2],
    ["stdout", '{"type": "constructor", "inputs": []}', 2],
    ["stdout", '{"type": "step", "step": ', 2],
    ["stdout", '{"type": "step", "step": "one"}', 2],
    ["stdout", "100%", 2],
  ]);
  assert.deepEqual(logs.filter(([source]) => source === "stderr"), [["stderr", "complaint", 2]]);
});

Deno.test("run: pictures are in shared memory, with the numbers of the steps", async () => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const runId = box.runId("pictures");
  const picture = new Uint8Array(16 * 16 * 3).fill(200);
  const larger = new Uint8Array(32 * 32 * 3).fill(100);
  const frame = (pixels: Uint8Array, size: number) =>
    JSON.stringify({ type: "frame", width: size, height: size, data: pixels.toBase64() });
  const file = `${box.folder}/lines`;
  const step = '{"type": "step", "step": 41, "reward": 2.5}';
  await Deno.writeTextFile(file, `${step}\n${frame(picture, 16)}\n${frame(larger, 32)}\n`);
  const child = start(box, runId, ["sh", "-c", `cat ${file}; exec sleep 60`]);
  box.onEnd(() => ended(child).then(() => {}));
  box.enter();
  using library = openLibrary();
  const jpeg = await waitFor("a picture over HTTP", async () => {
    const response = await serve.fetch(`/runs/${runId}/frame.jpg`);
    const bytes = await response.bytes();
    return response.ok && bytes.length > 0 ? bytes : null;
  });
  assert.deepEqual([...jpeg.subarray(0, 2)], [0xff, 0xd8]);
  {
    using reader = library.openReader(runId);
    assert(reader.readHud());
    const hud = new DataView(reader.hud.buffer);
    assert.equal(hud.getBigUint64(Hud.step, true), 41n);
    assert.equal(hud.getFloat64(Hud.last_reward, true), 2.5);
  }
  child.kill("SIGTERM");
  await child.status;
  assert.throws(() => library.openReader(runId), "the segment is gone with the command");
});

Deno.test("run: the exit code and the way of the end are the command's", async () => {
  await using box = await TestBox.create();
  await startServer(box);
  const [good, bad, killed] = ["good", "bad", "killed"].map((name) => box.runId(name));
  assert.equal((await runScript(box, good!, "exit 0")).code, 0);
  assert.equal((await runScript(box, bad!, "echo x; exit 7")).code, 7);
  assert.equal((await runScript(box, killed!, "kill -9 $$")).code, 128 + 9);
  const state = (runId: string) => {
    using stored = new Stored(box, runId);
    return [stored.run?.state, stored.run?.reason];
  };
  assert.deepEqual(state(good!), ["finished", ""]);
  assert.deepEqual(state(bad!), ["failed", "exit code 7"]);
  assert.deepEqual(state(killed!), ["failed", "ended by SIGKILL"]);
});

Deno.test("run: a command that is not there is told of as a shell does", async () => {
  await using box = await TestBox.create();
  const missing = await ended(start(box, box.runId("missing"), ["no-such-command"]));
  assert.equal(missing.code, 127);
  assert.match(missing.stderr, /there is no command no-such-command/);
  const file = `${box.folder}/file`;
  await Deno.writeTextFile(file, "text");
  assert.equal((await ended(start(box, box.runId("file"), [file]))).code, 126);
  const usage = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--cached-only", "--quiet", `${ROOT}main.ts`, "run", "x"],
    stderr: "null",
  }).output();
  assert.equal(usage.code, 2);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`run: ${signal} is the command's to answer`, async () => {
    await using box = await TestBox.create();
    await startServer(box);
    const runId = box.runId("signal");
    const script = `trap 'echo "asked to end"; exit 5' ${signal.slice(3)}; echo ready; ` +
      "while :; do sleep 0.05; done";
    const child = start(box, runId, ["sh", "-c", script]);
    await waitFor("the command", () => {
      try {
        using stored = new Stored(box, runId);
        return stored.logs().some(({ text }) => text === "ready");
      } catch {
        return false; // no database yet
      }
    });
    child.kill(signal);
    const { code, stdout } = await ended(child);
    assert.equal(code, 5);
    assert.equal(stdout, "ready\nasked to end\n");
    using stored = new Stored(box, runId);
    assert.deepEqual([stored.run?.state, stored.run?.reason], ["failed", "exit code 5"]);
  });
}

Deno.test("run: output is passed on byte by byte, or not at all", async () => {
  await using box = await TestBox.create();
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  await Deno.writeFile(`${box.folder}/bytes`, bytes);
  const cat = ["cat", `${box.folder}/bytes`];
  const loud = await start(box, box.runId("loud"), cat).output();
  assert.deepEqual(loud.stdout, bytes);
  const quiet = await start(box, box.runId("quiet"), cat, { flags: ["--quiet"] }).output();
  assert.equal(quiet.stdout.byteLength, 0);
});

Deno.test("run: a reader that goes away ends the command as it would without us", async () => {
  await using box = await TestBox.create();
  const child = start(box, box.runId("head"), ["sh", "-c", "trap '' TERM; exec yes"]);
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const [{ code }] = await Promise.all([child.status, child.stderr.cancel()]);
  assert.equal(code, 128 + 13); // SIGPIPE
});

Deno.test("run: where output cannot be passed on, what it says is stored all the same", async () => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("full");
  const script = "echo one; sleep 0.2; echo two";
  const line = `telebridge run ${runId} -- sh -c '${script}' > /dev/full`;
  const { code, stderr } = await shell(box, line);
  assert.equal(code, 0);
  assert.equal(stderr.match(/cannot be passed on: .*No space left/g)?.length, 1, stderr);
  using stored = new Stored(box, runId);
  assert.deepEqual(stored.logs().map(({ text }) => text), ["one", "two"]);
  assert.equal(stored.run?.state, "finished");
});

Deno.test("run: a line without an end costs no more than its limit", async () => {
  await using box = await TestBox.create();
  await startServer(box);
  const runId = box.runId("long");
  const script = "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo after";
  const { code, stdout, stderr } = await runScript(box, runId, script);
  assert.equal(code, 0);
  assert.equal(stdout.length, 5_000_007);
  assert.match(stderr, /1 lines were too long/);
  using stored = new Stored(box, runId);
  const texts = stored.logs().map(({ text }) => text);
  assert.equal(texts.length, 2);
  assert(texts[0]!.length > 900_000 && texts[0]!.length <= 1024 * 1024);
  assert.equal(texts[1], "after");
});

Deno.test("run: without a server the command runs, and the next client sends what it said", async () => {
  await using box = await TestBox.create();
  const runId = box.runId("alone");
  const script = `echo '{"type": "step", "step": 1, "reward": 1}'`;
  const { code, stderr } = await runScript(box, runId, script);
  assert.equal(code, 0);
  assert.match(stderr, /the next client sends them/);
  await startServer(box);
  await runScript(box, box.runId("next"), "echo hello");
  using stored = new Stored(box, runId);
  assert.deepEqual(stored.steps().map(({ step }) => step), [1]);
  assert.equal(stored.run?.state, "finished");
});
