import assert from "node:assert/strict";
import type { RunSummary } from "../../proto/wire.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { LiveClient } from "../harness/live_client.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

/** Runs `telebridge ARGS` to its end. */
async function telebridge(box: TestBox, ...args: string[]) {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", `${ROOT}main.ts`, ...args],
    env: box.environment,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

Deno.test("cli: --version and --help say what there is, on stdout", async () => {
  await using box = await TestBox.create();
  const version = await telebridge(box, "--version");
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^telebridge 0\.1\.0 \(clone, Deno [\d.]+, \w+-linux\)\n$/);
  const help = await telebridge(box, "serve", "--help");
  assert.equal(help.code, 0);
  for (const part of ["Examples:", "--allow-host <NAME>", "TELEBRIDGE_PORT", "ssh -L", "--demo"]) {
    assert(help.stdout.includes(part), part);
  }
});

Deno.test("cli: mistakes end with one line that helps and a code that tells", async () => {
  await using box = await TestBox.create();
  const at = ["--data-dir", box.dataDir];
  const cases: [string[], number, RegExp][] = [
    [["token", ...at], 1, /there is no token in/],
    [["serve", ...at, "--prot", "1"], 2, /unknown option '--prot'/],
    [["serve", "--data-dir", "/proc"], 1, /^telebridge: .*\/proc/],
    [["srve"], 2, /unknown command 'srve'/],
    [["serve", ...at, "--port", "x"], 1, /^telebridge: --port is "x", expected a number/],
    [["serve", ...at, "--host", "0.0.0.0"], 1, /telebridge serve --host 0\.0\.0\.0 --tls self-/],
    [["serve", ...at, "--config", "/nowhere.toml"], 1, /there is no file \/nowhere\.toml/],
    [["serve", ...at, "--host", "192.0.2.1", "--tls", "self-signed"], 1, /cannot listen on 192\.0/],
  ];
  for (const [args, code, message] of cases) {
    const ended = await telebridge(box, ...args);
    assert.equal(ended.code, code, `${args}: ${ended.stderr}`);
    assert.match(ended.stderr, message);
    assert.equal(ended.stdout, "");
    assert(!ended.stderr.includes("    at "), "no stack for a user's mistake");
  }
});

Deno.test("cli: a taken port is named, with the way out", async () => {
  await using box = await TestBox.create();
  await using other = await TestBox.create();
  const serve = await Serve.start(box);
  const ended = await telebridge(
    other,
    "serve",
    "--data-dir",
    other.dataDir,
    `--port=${serve.ready.port}`,
  );
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /port \d+ of 127\.0\.0\.1 is taken; .*--port 0/);
});

Deno.test("cli: a second server on the same data is refused and told of the first", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const ended = await telebridge(box, "serve", "--data-dir", box.dataDir, "--port=0");
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, new RegExp(`process ${serve.pid} at ${serve.origin}/`));
});

Deno.test("cli: `telebridge token` prints the URL of the running server", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--view-token"] });
  const at = ["--data-dir", box.dataDir];
  const control = await telebridge(box, "token", ...at);
  assert.equal(control.stdout.trim(), serve.ready.url);
  const view = await telebridge(box, "token", ...at, "--view");
  assert(view.stdout.trim().endsWith(serve.ready.viewToken!));
  await serve.kill();
  const stopped = await telebridge(box, "token", ...at);
  assert.equal(stopped.stdout.trim(), serve.ready.token);
});

Deno.test("cli: without --json there is one line for people", async () => {
  await using box = await TestBox.create();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--quiet", `${ROOT}main.ts`, "serve"],
      ...["--port=0", "--data-dir", box.dataDir],
    ],
    env: box.environment,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream());
  let text = "";
  for await (const chunk of output) {
    text += chunk;
    if (text.includes("\n")) child.kill("SIGTERM");
  }
  assert.match(text, /^telebridge is ready: http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}\n$/);
  assert.equal((await child.status).code, 0);
});

Deno.test("cli: settings come from the configuration file and the environment, too", async () => {
  await using box = await TestBox.create();
  await Deno.writeTextFile(`${box.dataDir}/telebridge.toml`, "viewers-max = 1\n");
  const serve = await Serve.start(box);
  await LiveClient.open(box, serve);
  const second = await LiveClient.openSilent(box, serve, "websocket");
  second.hello({ ticket: second.ticket });
  await second.ended();
  assert.match(second.bye!.reason, /1 viewers already/);
  assert.equal(second.bye!.retry, true);
});

Deno.test("cli: Ctrl-C says goodbye and leaves nothing: no process, socket or segment", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--demo"] });
  const clients = [
    await LiveClient.open(box, serve),
    await LiveClient.open(box, serve, "webtransport"),
  ];
  const demo = await waitFor("the demo", () => clients[0]!.runs.find(isDemoOf(serve)));
  for (const client of clients) {
    client.subscribe(1, demo.id);
    await client.framesCount(5);
  }
  await serve.stop();
  for (const client of clients) {
    await client.ended();
    assert.match(client.bye!.reason, /stopping/);
  }
  assert.throws(() => Deno.lstatSync(`/proc/${demo.pid}`), Deno.errors.NotFound);
  assert.throws(() => Deno.lstatSync(`/dev/shm/mosaic.run.${demo.id}.fastlane`));
  const sockets = [...Deno.readDirSync(`${box.folder}/runtime`)].map(({ name }) => name);
  assert.deepEqual(sockets.filter((name) => name.endsWith(".sock")), []);
});

Deno.test("cli: the demo comes back when it crashes, and ends with a server that is killed", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--demo"] });
  const client = await LiveClient.open(box, serve);
  const isDemo = isDemoOf(serve);
  const first = await waitFor("the demo", () => client.runs.find(isDemo));
  Deno.kill(first.pid, "SIGKILL");
  const isNext = (row: RunSummary) => isDemo(row) && row.pid !== first.pid;
  const second = await waitFor("the next", () => client.runs.find(isNext));
  await serve.kill();
  await waitFor("its end", () => !exists(`/proc/${second.pid}`));
  await waitFor("its segment's", () => !exists(`/dev/shm/mosaic.run.${second.id}.fastlane`));
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Other servers on this machine may have demos of their own. Between the two is `telebridge run`. */
function isDemoOf(serve: Serve): (row: RunSummary) => boolean {
  return ({ pid, phase }) => phase === "live" && parentOf(parentOf(pid)) === serve.pid;
}

function parentOf(pid: number | undefined): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
  } catch {
    return undefined;
  }
}
