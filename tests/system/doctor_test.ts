import assert from "node:assert/strict";
import type { Finding } from "../../cli/doctor/check.ts";
import { TestBox } from "../harness/box.ts";
import { type Ended, shell } from "../harness/command.ts";
import { nvidiaDouble } from "../harness/nvidia.ts";
import { canMount, Serve } from "../harness/serve.ts";

/** Has the command after it see a /dev/shm of 64 MiB, as a container has it. */
const SMALL_SHM = `unshare ${
  Deno.uid() === 0 ? "" : "--user --map-root-user"
} --mount bash -c 'mount -t tmpfs -o size=64m tmpfs /dev/shm && "$@"' -`;

interface Report {
  can_serve: boolean;
  took_ms: number;
  checks: Finding[];
  worth_changing: { why: string; command: string }[];
}

/** Other servers of this machine have the ports of the default. */
const ANY_PORT = "--port 0 --grpc-port 0";

/** `before` stands before the command: variables, or what starts it. */
async function examine(box: TestBox, args: string, before = "") {
  const ended = await shell(box, `${before} telebridge doctor --json ${args}`);
  return { ended, report: reportOf(ended) };
}

function reportOf({ stdout, stderr }: Ended): Report {
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

function find({ checks }: Report, name: string): Finding {
  const found = checks.find((check) => check.name === name);
  assert(found !== undefined, `${name} among ${checks.map((check) => check.name)}`);
  return found;
}

/** A program of that name, first on the PATH that is returned. */
async function standIn(box: TestBox, name: string, script: string): Promise<string> {
  await Deno.mkdir(`${box.folder}/bin`, { recursive: true });
  await Deno.writeTextFile(`${box.folder}/bin/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return `PATH=${box.folder}/bin:$PATH`;
}

Deno.test("doctor: every check answers, and nothing is left behind", async () => {
  await using box = await TestBox.create();
  const { ended, report } = await examine(box, `${ANY_PORT} --data-dir ${box.folder}/new/er`);
  assert.equal(ended.stderr, "");
  assert.equal(ended.code, report.can_serve ? 0 : 1);
  const names = report.checks.map(({ name }) => name);
  const wanted = [
    ...["kernel", "limits", "cgroup", "clock", "shm", "sockets", "fifo", "data", "disk"],
    ...["server", "web", "grpc", "tls", "gpu", "cuda", "egl", "nvenc", "x264", "openh264"],
    ...["jpeg", "pipewire", "ffmpeg", "gstreamer", "xvfb", "python"],
  ];
  for (const name of wanted) assert(names.includes(name), name);
  for (const name of ["kernel", "shm", "sockets", "fifo", "disk", "web", "openh264"]) {
    assert.equal(find(report, name).level, "ok", find(report, name).text);
  }
  assert((find(report, "disk").facts!.write_bytes_per_s as number) > 0);
  assert.match(find(report, "data").text, /\(serve makes it\)/);
  const left = [...Deno.readDirSync(box.folder)].map(({ name }) => name).toSorted();
  assert.deepEqual(left, ["data", "runtime"]);
  assert.deepEqual([...Deno.readDirSync(`${box.folder}/runtime`)], []);
});

Deno.test("doctor: on a terminal the report is coloured and no wider than it", async () => {
  await using box = await TestBox.create();
  const { stdout } = await shell(
    box,
    `unset NO_COLOR CI; export TERM=xterm-256color; export -f telebridge
     SHELL=/bin/bash script -qec 'stty cols 60; telebridge doctor ${ANY_PORT}' /dev/null`,
  );
  // deno-lint-ignore no-control-regex -- colours are escape sequences
  const plain = stdout.replaceAll("\r", "").replaceAll(/\x1b\[\d+m/g, "");
  assert.notEqual(plain, stdout.replaceAll("\r", ""));
  const lines = plain.split("\n\n")[1]!.split("\n");
  assert(lines.every((line) => line.length <= 60 || !line.trim().includes(" ", 20)), plain);
  assert.match(plain, /^ok {4}kernel {5}Linux /m);
  assert.match(plain, /^serve can(not)? run here/m);
});

Deno.test("doctor: what serve would refuse fails, with what to do, and the code is 1", async () => {
  await using box = await TestBox.create();
  await Deno.chmod(box.dataDir, 0o777);
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const ports = `--port ${port} --grpc-port ${port}`;
  const { ended, report } = await examine(box, `${ports} --tls-cert /nowhere --tls-key /nowhere`);
  assert.deepEqual([ended.code, report.can_serve], [1, false]);
  const web = find(report, "web");
  assert.match(web.text, new RegExp(`port ${port} of 127\\.0\\.0\\.1 is taken by .*${Deno.pid}`));
  assert.match(web.change!.command, /^telebridge serve --port \d+$/);
  assert.match(find(report, "data").text, /others may write to .*chmod go-w/);
  assert.match(find(report, "tls").text, /there is no file \/nowhere/);
  for (const name of ["web", "data", "tls"]) assert.equal(find(report, name).level, "fail");
  assert.equal(find(report, "grpc").level, "note", "serve takes another");
  assert.equal(report.worth_changing.length, 3);
});

Deno.test("doctor: our own server that runs is no fault", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const { ended, report } = await examine(box, `--port ${serve.ready.port} --grpc-port 0`);
  assert.equal(ended.code, 0, ended.stdout);
  assert.match(find(report, "server").text, new RegExp(`process ${serve.pid} serves http:`));
  assert.match(find(report, "web").text, /has the server that runs here/);
});

Deno.test("doctor: drivers that crash and programs that hang are told, and hold up nothing", async () => {
  await using box = await TestBox.create();
  let path = "";
  for (const name of ["nvidia-smi", "python3", "pipewire"]) {
    path = await standIn(box, name, "exec sleep 1000");
  }
  await standIn(box, "ffmpeg", "exec yes");
  await standIn(box, "Xvfb", "");
  await standIn(box, "gst-launch-1.0", "echo gst-launch-1.0 version 1.99");
  await standIn(box, "gst-inspect-1.0", "echo 'x264:  x264enc: x264 H.264 Encoder'");
  const made = await shell(
    box,
    `echo '__attribute__((constructor)) void crash(void) { __builtin_trap(); }' |
       gcc -shared -x c - -o ${box.folder}/libcuda.so.1`,
  );
  assert.equal(made.code, 0, made.stderr);
  const before = `${path} LD_LIBRARY_PATH=${box.folder} TELEBRIDGE_GOP=soon`;
  const { ended, report } = await examine(box, ANY_PORT, before);
  assert.equal(ended.code, 1);
  for (const name of ["gpu", "python", "pipewire"]) {
    assert.match(find(report, name).text, /^no answer in \d s$/);
  }
  assert.equal(find(report, "ffmpeg").text, "not installed");
  assert.equal(find(report, "xvfb").text, `${box.folder}/bin/Xvfb`);
  assert.match(
    find(report, "gstreamer").text,
    /^1\.99, H\.264 by x264enc, screens by nothing$/,
  );
  assert.match(find(report, "cuda").text, /ended by SIG/);
  // Serve asks the same driver, and would crash too.
  assert.match(find(report, "encoders").text, /crashes: ended by SIG/);
  assert.equal(find(report, "encoders").level, "fail");
  // The rest goes on, by the defaults where a setting is wrong.
  assert.match(find(report, "settings").text, /TELEBRIDGE_GOP is "soon"/);
  assert.equal(find(report, "kernel").level, "ok");
});

Deno.test("doctor: with NVIDIA's driver it names GPUs, driver, CUDA, NVENC and its sessions", async () => {
  await using box = await TestBox.create();
  // The double of the driver that the encoder is tested on, and what nvidia-smi prints of such a machine.
  const double = Object.entries(await nvidiaDouble("NVIDIA L4,NVIDIA L4"));
  const row = "NVIDIA L4, 550.54.15, 23034, 1024, 3";
  const path = await standIn(box, "nvidia-smi", `echo '${row}'; echo '${row}'`);
  const driver = [path, ...double.map(([name, value]) => `${name}='${value}'`)].join(" ");
  const before = canMount() ? `export -f telebridge; ${driver} ${SMALL_SHM}` : driver;
  const { report } = await examine(box, ANY_PORT, before);
  const texts = Object.fromEntries(report.checks.map(({ name, text }) => [name, text]));
  assert.equal(texts.gpu, "2 × NVIDIA L4, 2.0 GiB of 45 GiB used");
  assert.equal(texts.driver, "NVIDIA 550.54.15");
  assert.equal(texts.sessions, "NVENC: 6 sessions open now");
  assert.equal(texts.cuda, "12.4, 2 devices: NVIDIA L4, 16 GiB, compute 8.9");
  assert.match(texts.nvenc!, /^NVENC [\d.]+ on NVIDIA L4$/);
  if (!canMount()) return console.log("SKIP: a small /dev/shm, which needs a mount namespace");
  assert.equal(find(report, "shm").level, "warn");
  assert.match(find(report, "shm").change!.why, /room for 1 run: each takes 64 MiB/);
});
