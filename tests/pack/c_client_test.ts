/** What `make c-client` makes, as somebody has it who has nothing else of us. */

import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { ROOT, TestBox } from "../harness/box.ts";
import { LiveClient } from "../harness/live_client.ts";
import { Serve } from "../harness/serve.ts";
import { Worker } from "../harness/worker.ts";

const NAME = `telebridge-c-${config.version}-linux-${Deno.build.arch}`;

function run(command: string, args: string[], cwd = ROOT): string {
  const output = new Deno.Command(command, { args, cwd }).outputSync();
  const [stdout, stderr] = [output.stdout, output.stderr].map((b) => new TextDecoder().decode(b));
  assert(output.success, `${command} ${args.join(" ")}: ${stderr}`);
  return stdout!;
}

/** Unpacks the archive on a path with spaces, and returns its folder. */
function unpacked(box: TestBox): string {
  run("make", ["--silent", "-C", "clients/c", "package"]);
  const folder = `${box.folder}/my own tools`;
  Deno.mkdirSync(folder);
  run("tar", ["-xzf", `${ROOT}clients/c/dist/${NAME}.tar.gz`, "-C", folder]);
  return `${folder}/${NAME}`;
}

/** A line of the README, as a person types it in the archive's folder. */
function shell(folder: string, line: string): string {
  return run("sh", ["-euc", line], folder);
}

async function checkShown(box: TestBox, serve: Serve, example: string): Promise<void> {
  const id = box.runId("archive");
  Worker.start(box, example, [id]);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, id, { accepts: ["raw"] });
  await client.framesCount(3);
  for (const { header } of client.frames) {
    assert.deepEqual([header.width, header.height], [320, 180]);
  }
}

Deno.test("c client: the archive's example is built as its README says, and is seen live", async () => {
  await using box = await TestBox.create();
  const folder = unpacked(box);
  const commands = /```sh\n(tar [^]*?)```/.exec(Deno.readTextFileSync(`${folder}/README.md`))![1]!;
  const [unpack, enter, ...lines] = commands.trim().split("\n");
  assert.match(`${unpack} ${enter}`, /^tar -xzf telebridge-c-\S+ cd telebridge-c-/);
  assert.equal(lines.filter((line) => line.includes("cc ")).length, 2, "with each library");
  shell(folder, lines.join("\n"));

  const linked = run("ldd", [`${folder}/example`]);
  assert(linked.includes(`${folder}/lib/`), `the archive's own library: ${linked}`);
  assert(!run("ldd", [`${folder}/example-static`]).includes("libtelebridge"));
  const serve = await Serve.start(box);
  await checkShown(box, serve, `${folder}/example`);
  await checkShown(box, serve, `${folder}/example-static`);
});

Deno.test("c client: the archive says its version, and carries the licences of what is in it", async () => {
  await using box = await TestBox.create();
  const folder = unpacked(box);
  const version = shell(folder, "PKG_CONFIG_PATH=lib/pkgconfig pkg-config --modversion telebridge");
  assert.equal(version.trim(), config.version);
  const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
  assert.equal(read("LICENSE"), Deno.readTextFileSync(`${ROOT}LICENSE`));
  assert.match(read("THIRD_PARTY_NOTICES.txt"), /libopenh264\.a/);
});
