/** The one file on a machine that has nothing else of ours but the Python wheel. */

import assert from "node:assert/strict";
import { ROOT } from "../harness/box.ts";
import { CHROMIUM_PATH, startBrowser, ViewerPage } from "../harness/browser.ts";
import { probeH264 } from "../harness/ffmpeg.ts";
import { childOf } from "../harness/processes.ts";
import { LineReader } from "../harness/line_reader.ts";
import { installedPython } from "../harness/python.ts";
import { waitFor } from "../harness/wait.ts";
import { NewMachine } from "./new_machine.ts";
import { oneFile } from "./one_file.ts";

const RUN = `one-file-${crypto.randomUUID().slice(0, 8)}`;

interface Ready {
  url: string;
  dataDir: string;
}

/** `serve` with nothing said but the ports. */
async function serve(machine: NewMachine, program: string): Promise<{ pid: number; ready: Ready }> {
  const child = machine.start([program, "serve", "--json", "--port=0", "--grpc-port=0"]);
  return { pid: child.pid, ready: JSON.parse(await new LineReader(child.stdout).next("serve")) };
}

/** Installs the wheel where the machine's user can read it, and starts a run. */
async function train(machine: NewMachine): Promise<void> {
  const site = `${machine.folder}/site`;
  const builder = installedPython();
  const wheels = [...Deno.readDirSync(`${ROOT}clients/python/dist`)].map(({ name }) => name);
  const wheel = wheels.find((name) => name.endsWith(".whl"))!;
  const installed = await new Deno.Command(builder, {
    args: [
      ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"],
      ...["--no-deps", "--target", site, `${ROOT}clients/python/dist/${wheel}`],
    ],
  }).output();
  assert(installed.success, new TextDecoder().decode(installed.stderr));
  const script = await machine.bring(`${ROOT}tests/dist/trainer.py`, "trainer.py");
  const python = machine.start(["env", `PYTHONPATH=${site}`, "/usr/bin/python3", script, RUN]);
  assert.equal(await new LineReader(python.stdout).next("the trainer"), "ready");
}

/** The run's page, in a Chromium that sees the machine's network. */
async function watch(machine: NewMachine, url: string): Promise<void> {
  const starter = `${machine.folder}/chromium`;
  const words = machine.command([CHROMIUM_PATH], { asUser: false });
  await Deno.writeTextFile(starter, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`, { mode: 0o755 });
  const browser = await startBrowser(starter);
  try {
    const viewer = await ViewerPage.open(browser);
    await viewer.page.goto(url.replace("/?", `/runs/${RUN}?`));
    await viewer.untilMoving();
    const { rgb, width, height } = await viewer.savePng();
    assert.deepEqual([width, height, ...rgb.subarray(1, 3)], [160, 120, 7, 99]);
  } finally {
    await browser.close();
  }
}

/** The process of the durable lane, another one than before; its program's path. */
async function ingest(parent: number, before = 0): Promise<{ pid: number; program: string }> {
  const pid = await waitFor("the ingest process", () => {
    const found = childOf(parent, "ingest");
    return found !== undefined && found !== before && found;
  });
  return { pid, program: Deno.readLinkSync(`/proc/${pid}/exe`) };
}

Deno.test("one file: serve, a run by the wheel, its picture, replay by a pipe", async (test) => {
  await using machine = await NewMachine.create();
  if (!machine.isSealed) console.log("SKIP: no namespaces here: sources and network are in reach");
  const program = await machine.bring(oneFile(), "telebridge");
  const { pid, ready } = await serve(machine, program);

  await test.step("what it keeps is where the user's data belongs, and its own alone", () => {
    assert.equal(ready.dataDir, `${machine.home}/.local/share/telebridge`);
    assert.equal(Deno.statSync(ready.dataDir).mode! & 0o777, 0o700);
    assert.deepEqual([...Deno.readDirSync(`${machine.home}/.cache`)].map(({ name }) => name), [
      "telebridge",
    ]);
  });
  await train(machine);
  await test.step("a picture in Chromium", () => watch(machine, ready.url));

  // By a copy: the file itself is replaced below.
  const reader = await machine.bring(program, "reader");
  const samplesStored = async () => {
    const { stdout } = await machine.run([reader, "replay", RUN, "--kinds", "samples"]);
    return stdout.split("\n").length - 1;
  };
  const untilMoreSamples = async () => {
    const before = await samplesStored();
    await waitFor("more samples", async () => await samplesStored() > before);
  };
  await test.step("replay by a pipe", async () => {
    await waitFor("stored samples", async () => await samplesStored() > 3);
    const pipe = `"$0" replay ${RUN} --kinds samples | head -n 3`;
    const { stdout, stderr } = await machine.run(["bash", "-c", pipe, program]);
    assert.equal(stderr, "");
    const [first] = stdout.split("\n").map((line) => line && JSON.parse(line));
    assert.deepEqual([first.series, first.step, first.value], ["train/loss", 1, 1]);
  });
  await test.step("doctor", async () => {
    const { code, stdout, stderr } = await machine.run([program, "doctor", "--json"]);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).can_serve, true);
  });
  await test.step("a headless agent", async () => {
    const agent = await machine.run([program, "agent", "--stdout", "--frames=3", "--width=320"]);
    assert.equal(agent.code, 0, agent.stderr);
    const { stream } = await probeH264([agent.stdoutBytes]);
    assert.deepEqual([stream.width, stream.nb_read_frames], [320, "3"]);
  });
  const first = await ingest(pid);
  await test.step("ingest is killed: it starts again from the same files", async () => {
    assert(first.program.startsWith(`${machine.home}/.cache/telebridge/`), first.program);
    Deno.kill(first.pid, "SIGKILL");
    assert.equal((await ingest(pid, first.pid)).program, first.program);
    await untilMoreSamples();
  });
  await test.step("the file is replaced while it runs: nothing changes until a restart", async () => {
    const newer = `${machine.folder}/newer`;
    await Deno.writeTextFile(newer, "#!/bin/sh\necho newer\n", { mode: 0o755 });
    await Deno.rename(newer, program);
    assert.equal((await machine.run([program, "--version"])).stdout, "newer\n");
    const second = await ingest(pid);
    Deno.kill(second.pid, "SIGKILL");
    assert.equal((await ingest(pid, second.pid)).program, first.program);
    await untilMoreSamples();
  });
});
