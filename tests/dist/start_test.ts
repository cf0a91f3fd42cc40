/** How the one file starts: what it says of itself, what it passes through, and what may be in its way. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { LineReader } from "../harness/line_reader.ts";
import { waitFor } from "../harness/wait.ts";
import { NewMachine } from "./new_machine.ts";
import { isBundle, oneFile } from "./one_file.ts";

const VERSION = /^telebridge \d+\.\d+\.\d+ \((bundle|compiled), Deno [\d.]+, \w+-linux\)\n$/;

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

Deno.test("start: it is what a command is: a version, exit codes, the caller's environment, one process", async () => {
  await using machine = await NewMachine.create();
  const program = await machine.bring(oneFile(), "telebridge");
  assert.match((await machine.run([program, "--version"])).stdout, VERSION);
  const [made] = namesIn(`${machine.home}/.cache/telebridge`);
  const licences = await machine.run([program, "licences"]);
  assert.match(licences.stdout, /Apache License/);
  const unknown = await machine.run([program, "srve"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /unknown command 'srve'/);

  const script = "env; exit 7";
  const job = [
    program,
    "run",
    "--data-dir",
    `${machine.folder}/data`,
    "job",
    "--",
    "sh",
    "-c",
    script,
  ];
  const ended = await machine.run(job, { DENO_DIR: "/the/users/own" });
  assert.equal(ended.code, 7, ended.stderr);
  assert.match(ended.stdout, /^DENO_DIR=\/the\/users\/own$/m);
  assert.doesNotMatch((await machine.run(job)).stdout, /^DENO_DIR=/m);

  const serve = machine.start([program, "serve", "--json", "--port=0", "--grpc-port=0"]);
  const reader = serve.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(JSON.parse(new TextDecoder().decode(value)).pid, serve.pid);
  serve.kill("SIGTERM");
  assert.equal((await serve.status).code, 0);
  await reader.cancel();
  assert.deepEqual(namesIn(`${machine.home}/.cache/telebridge`), [made]);
});

Deno.test("start: first starts at the same time all succeed, and leave one cache", async () => {
  await using machine = await NewMachine.create();
  const program = await machine.bring(oneFile(), "telebridge");
  const started = Array.from({ length: 3 }, () => machine.run([program, "--version"]));
  for (const { code, stdout, stderr } of await Promise.all(started)) {
    assert.equal(code, 0, stderr);
    assert.match(stdout, VERSION);
  }
  assert.equal(namesIn(`${machine.home}/.cache/telebridge`).length, 1);
});

Deno.test("start: a cache that cannot be trusted is not used, and the way out is named", async () => {
  await using machine = await NewMachine.create();
  const program = await machine.bring(oneFile(), "telebridge");
  const place = `${machine.folder}/place`;
  assert.equal((await machine.run(["mkdir", "-m", "777", place])).code, 0);
  const refused = await machine.run([program, "--version"], { TELEBRIDGE_CACHE_DIR: place });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^telebridge: there is no folder .*TELEBRIDGE_CACHE_DIR=/);
  assert.match(refused.stderr, /others may write to/);
  assert.deepEqual(namesIn(place), []);
});

Deno.test("start: a file that came damaged says so in one line", {
  ignore: !isBundle(),
}, async () => {
  await using machine = await NewMachine.create();
  const program = await machine.bring(oneFile(), "telebridge");
  const { size } = await Deno.stat(program);
  const damages: [string, () => Promise<void>][] = [
    ["a byte in its middle", () => changeByte(program, Math.floor(size / 2))],
    ["its end is missing", () => Deno.truncate(program, size - 1000)],
  ];
  for (const [what, damage] of damages) {
    await damage();
    const { code, stdout, stderr } = await machine.run([program, "--version"]);
    assert.equal(code, 1, what);
    assert.match(
      stderr,
      /^telebridge: this file is damaged or not whole: .*; copy it again\n$/,
      what,
    );
    assert.equal(stdout, "");
  }
  assert.deepEqual(namesIn(`${machine.home}/.cache/telebridge`), []);
});

Deno.test("start: another version removes an old cache, but not while somebody runs from it", {
  ignore: !isBundle(),
}, async () => {
  await using machine = await NewMachine.create();
  const place = `${machine.home}/.cache/telebridge`;
  const program = await machine.bring(oneFile(), "telebridge");
  const serve = machine.start([program, "serve", "--json", "--port=0", "--grpc-port=0"]);
  await new LineReader(serve.stdout).next("serve");
  const [cache] = namesIn(place);
  const twoDaysAgo = new Date(Date.now() - 2 * 24 * 3_600_000);
  await makeAnotherVersion(program);

  await Deno.utime(`${place}/${cache}`, twoDaysAgo, twoDaysAgo);
  assert.match((await machine.run([program, "--version"])).stdout, VERSION);
  assert.equal(namesIn(place).length, 2);
  serve.kill("SIGKILL");
  await serve.status;
  await waitFor("the old cache's end", async () => {
    await machine.run([program, "--version"]);
    return !namesIn(place).includes(cache!);
  });
});

/** The same with a table that differs where nothing is said, so that its id does, too; docs/dist.md has the offsets. */
async function makeAnotherVersion(path: string): Promise<void> {
  const bytes = await Deno.readFile(path);
  const trailer = new DataView(bytes.buffer, bytes.byteLength - 64);
  const offset = Number(trailer.getBigUint64(8, true));
  const table = bytes.subarray(offset, offset + trailer.getUint32(16, true));
  table[28] = 1;
  bytes.set(createHash("sha256").update(table).digest(), bytes.byteLength - 64 + 24);
  await Deno.writeFile(`${path}.new`, bytes, { mode: 0o755 });
  await Deno.rename(`${path}.new`, path);
}

async function changeByte(path: string, offset: number): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true });
  const byte = new Uint8Array(1);
  await file.seek(offset, Deno.SeekMode.Start);
  await file.read(byte);
  byte[0]! ^= 1;
  await file.seek(offset, Deno.SeekMode.Start);
  await file.write(byte);
}
