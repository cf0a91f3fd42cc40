/** What `make wheel` makes, as somebody has it who has nothing else of us. */

import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { LiveClient } from "../harness/live_client.ts";
import { canMount, Serve } from "../harness/serve.ts";
import { Venv } from "../harness/venv.ts";
import { Worker } from "../harness/worker.ts";

const DIST = `${ROOT}clients/python/dist`;

/** Builds the packages where they are not there yet, and returns the path of one. */
function packageEnding(ending: string): string {
  const make = { args: ["--silent", "-C", "clients/python", "wheel"], cwd: ROOT };
  assert(new Deno.Command("make", { ...make, stderr: "inherit" }).outputSync().success);
  const names = [...Deno.readDirSync(DIST)].map(({ name }) => name);
  const found = names.filter((name) => name.endsWith(ending));
  assert.equal(found.length, 1, `${names} in ${DIST}`);
  return `${DIST}/${found[0]}`;
}

/** As little of the package's metadata as `importlib.metadata` is asked for. */
function metadata(venv: Venv): Record<string, string[] | null> {
  const script =
    "import importlib.metadata, json; m = importlib.metadata.metadata('telebridge'); " +
    "print(json.dumps({key: m.get_all(key) for key in " +
    "('Name', 'License', 'License-File', 'Provides-Extra', 'Requires-Dist', 'Requires-Python')}))";
  return JSON.parse(venv.output("-c", script));
}

/** The newest glibc whose symbols a library takes, as its dynamic symbols tell. */
function glibcNeeded(library: string): [number, number] {
  const args = ["-T", library];
  const { stdout } = new Deno.Command("objdump", { args, env: { LC_ALL: "C" } }).outputSync();
  const versions = new TextDecoder().decode(stdout).matchAll(/GLIBC_(\d+)\.(\d+)/g);
  return [...versions].map(([, major, minor]): [number, number] => [Number(major), Number(minor)])
    .sort(([a, b], [c, d]) => a - c || b - d).at(-1)!;
}

function libraryOf(venv: Venv): string {
  const script = "from telebridge._library import library; print(library().path)";
  return venv.output("-c", script).trim();
}

Deno.test("python packages: the wheel holds all it needs, and its name says where it runs", async () => {
  await using box = await TestBox.create();
  const wheel = packageEnding(".whl");
  const venv = Venv.create(`${box.folder}/a new environment`);
  venv.install(wheel);
  assert.match(venv.output("-m", "telebridge"), /self-test: .* published, 0 lost/);

  const library = libraryOf(venv);
  assert(library.startsWith(box.folder), library);
  const [major, minor] = glibcNeeded(library);
  assert(wheel.endsWith(`-py3-none-manylinux_${major}_${minor}_${Deno.build.arch}.whl`), wheel);

  const told = metadata(venv);
  assert.deepEqual(told["Name"], ["telebridge"]);
  assert.deepEqual(told["License"], ["Apache-2.0"]);
  assert(told["Provides-Extra"]?.includes("durable"));
  const durable = told["Requires-Dist"]!.filter((line) => line.includes("durable"));
  assert.deepEqual(durable.map((line) => line.split(" ")[0]), ["grpcio", "protobuf"]);
  const distribution = "__import__('importlib.metadata').metadata.distribution('telebridge')";
  const listed = venv.output(
    "-c",
    `print(*(file.read_text() for file in ${distribution}.files if 'NOTICES' in file.name))`,
  );
  assert.match(listed, /libopenh264\.a/);
});

Deno.test(
  "python packages: the source distribution takes a C compiler and make, and shows large pictures too",
  {
    ignore: !canMount(),
  },
  async () => {
    await using box = await TestBox.create();
    const venv = Venv.create(`${box.folder}/a new environment`);
    venv.install(packageEnding(".tar.gz"), "--no-build-isolation");
    assert.match(venv.output("-m", "telebridge"), /self-test: .* published, 0 lost/);
    const symbols = new Deno.Command("nm", { args: ["-D", libraryOf(venv)] }).outputSync().stdout;
    assert(!new TextDecoder().decode(symbols).includes("tele_stream_open"), "it has no codecs");

    const serve = await Serve.start(box, { noRuns: true });
    const run = box.runId("from-source");
    const script = `${ROOT}tests/harness/remote_worker.py`;
    const worker = Worker.start(box, "env", [
      `TELEBRIDGE_URL=${serve.origin}/?token=${serve.ready.token}`,
      `TELEBRIDGE_SPOOL_DIR=${box.folder}/spool`,
      ...[venv.python, "-P", script, run, "640", "360"],
    ]);
    assert.match(await worker.line(), /^ready/);
    const client = await LiveClient.open(box, serve);
    client.subscribe(1, run, { accepts: ["raw"] });
    await client.framesCount(3);
    for (const { header, payload } of client.frames) {
      assert.deepEqual([header.format, header.width, header.height], [PixelFormat.Rgb8, 640, 360]);
      const last = header.stride * (header.height - 1) + (header.width - 1) * 3;
      assert.deepEqual([...payload.subarray(last, last + 3)], [header.step % 251, 7, 99]);
    }
  },
);

Deno.test("python packages: without a compiler, the source distribution says what it takes", async () => {
  await using box = await TestBox.create();
  const venv = Venv.create(`${box.folder}/venv`);
  const archive = packageEnding(".tar.gz");
  assert(
    new Deno.Command("tar", { args: ["-xzf", archive, "-C", box.folder] }).outputSync().success,
  );
  const source = [...Deno.readDirSync(box.folder)].find(({ name }) =>
    name.startsWith("telebridge-")
  );
  const { success, stderr } = new Deno.Command(venv.python, {
    args: ["setup.py", "--quiet", "build"],
    cwd: `${box.folder}/${source!.name}`,
    env: { CC: "no-such-compiler" },
  }).outputSync();
  assert(!success);
  assert.match(
    new TextDecoder().decode(stderr),
    /building from source takes make and a C compiler, and there is no no-such-compiler here/,
  );
});
