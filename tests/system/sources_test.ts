/** Streams of other people's programs, and what they draw on a desktop, as runs. */

import assert from "node:assert/strict";
import { FRAME_KEYFRAME } from "../../proto/wire.ts";
import { AgentProcess, readerOf, ringUnits, runAgent } from "../harness/agent.ts";
import { AgentServer } from "../harness/agents.ts";
import { TestBox } from "../harness/box.ts";
import { startTelebridge, telebridge } from "../harness/command.ts";
import { decodeH264, decodeJpeg, encodedCard, isKeyframe, joined } from "../harness/ffmpeg.ts";
import { openLibrary } from "../harness/library.ts";
import { alive, descendantsOf } from "../harness/processes.ts";
import { waitFor } from "../harness/wait.ts";

/** As a camera's program: FFmpeg's test picture at its own pace. */
const FFMPEG = ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi"].concat(
  ["-i", "testsrc=size=320x180:rate=25", "-pix_fmt", "yuv420p", "-c:v", "libx264"],
  ["-preset", "ultrafast", "-tune", "zerolatency", "-g", "25"],
);

for (const format of ["h264", "mpegts"]) {
  Deno.test(`sources: exec takes ${format}, a unit each picture, and ends with its program`, async () => {
    await using box = await TestBox.create();
    box.enter();
    const run = box.runId(format);
    const command = [...FFMPEG, "-f", format, "pipe:1"];
    const pump = AgentProcess.start(box, "--run", run, "--source", "exec", "--", ...command);
    const units = await ringUnits(await readerOf(box, run), 40);
    const { frames, sizes, complaints } = await decodeH264(units.map(({ bytes }) => bytes));
    assert.deepEqual([frames, sizes, complaints], [40, ["320x180"], ""]);
    for (const [index, { header, bytes }] of units.entries()) {
      assert.equal(isKeyframe(bytes), index % 25 === 0, `unit ${index}`);
      assert.equal((header.flags & FRAME_KEYFRAME) !== 0, index % 25 === 0, `unit ${index}`);
      assert.deepEqual([header.width, header.height], [320, 180]);
    }
    const family = descendantsOf(pump.pid);
    assert.equal(family.length, 1);
    assert.equal((await pump.end("SIGTERM")).code, 0);
    assert.deepEqual(alive(family), []);
    assert.equal(pump.said, `telebridge agent: run "${run}": H.264 of 320 x 180\n`);
  });
}

Deno.test("sources: one stream after another comes through a FIFO, of another size, bit for bit", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("fifo");
  const path = `${box.folder}/video`;
  const pump = AgentProcess.start(box, "--run", run, "--source", "fifo", path);
  const streams = [await encodedCard(320, 180, 20), await encodedCard(160, 96, 20)];
  await waitFor("the FIFO", () => Deno.stat(path).then(({ isFifo }) => isFifo, () => false));
  for (const stream of streams) await Deno.writeFile(path, joined(stream), { create: false });
  const units = await ringUnits(await readerOf(box, run), 40);
  assert.deepEqual(units.map(({ bytes }) => bytes), streams.flat());
  assert.deepEqual(
    units.map(({ header }) => header.width),
    streams.flatMap((stream, index) => stream.map(() => index === 0 ? 320 : 160)),
  );
  assert.equal((await pump.end("SIGTERM")).code, 0);
});

Deno.test("sources: what cannot be published says so, and what to do; a program's code is the pump's", async () => {
  await using box = await TestBox.create();
  const path = `${box.folder}/file`;
  Deno.writeTextFileSync(path, "");
  const cases: [args: string[], code: number, said: RegExp][] = [
    [["exec", "--", "no-such-program"], 1, /cannot start no-such-program: No such file/],
    [["exec", "--", "sh", "-c", "echo away >&2; exit 7"], 7, /away\n.*`sh .*` ended with code 7/],
    [["exec", "--", "sh", "-c", "kill -9 $$"], 137, /was ended by signal 9 \(Killed\)/],
    [["exec", "--", "echo", "Usage: camera"], 1, /neither H\.264.* "Usage: camera"/],
    [["exec", "--", "cat", "/dev/urandom"], 1, /neither H\.264.*begins with [0-9a-f]{2} /],
    [["fifo", path], 1, /file is no FIFO/],
    [
      [
        "exec",
        "--",
        ...FFMPEG.map((word) => word.replace("yuv420p", "yuv444p")),
        "-f",
        "h264",
        "-",
      ],
      1,
      /4:4:4 colours.*-pix_fmt yuv420p/,
    ],
  ];
  await Promise.all(cases.map(async ([args, code, said]) => {
    const ended = await runAgent(box, ["--run", box.runId("bad"), "--source", ...args]);
    assert.match(ended.stderr, said);
    assert.equal(ended.code, code, ended.stderr);
  }));
});

Deno.test("sources: a pump that is killed leaves none of its programs behind", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("killed");
  const command = [...FFMPEG, "-f", "mpegts", "pipe:1"];
  const beside = ["--xvfb", "64x64", "--beside", "2", "--", "sleep", "1000", "--"];
  const pump = AgentProcess.start(box, "--run", run, "--source", "exec", ...beside, ...command);
  await readerOf(box, run);
  const family = descendantsOf(pump.pid);
  assert.equal(family.length, 3);
  await pump.end("SIGKILL");
  await waitFor("their end", () => alive(family).length === 0, () => alive(family));
});

/** Mean of the picture's colour. */
function colourOf(rgb: Uint8Array): number[] {
  const sums = [0, 0, 0];
  rgb.forEach((value, index) => sums[index % 3]! += value);
  return sums.map((sum) => Math.round(sum * 3 / rgb.length));
}

const COLOUR = [0xC0, 0x20, 0x40];
const PAINTER = ["sh", "-c", 'xsetroot -solid "#c02040"; exec sleep 1000'];

function isColour(rgb: Uint8Array): boolean {
  return colourOf(rgb).every((value, index) => Math.abs(value - COLOUR[index]!) < 6);
}

Deno.test("sources: a desktop under Xvfb is a run, by FFmpeg and by hand; nothing of it is left", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("desktop");
  const options = ["--run", run, "--source", "x11grab", "--xvfb", "320x200", "--fps", "20"];
  const child = startTelebridge(box, "agent", ...options, "--", ...PAINTER);
  const reader = await readerOf(box, run);
  using library = openLibrary();
  const jpeg = new Uint8Array(1 << 20);
  const shown = () => library.snapshot(reader, 95, 30_000, jpeg);
  await waitFor(
    "the colour",
    async () => isColour(await decodeJpeg(jpeg.subarray(0, await shown()))),
  );
  const family = descendantsOf(child.pid);
  assert.equal(family.length, 3, "Xvfb, what draws and what captures");
  child.kill("SIGTERM");
  const { code, stderr } = await child.output();
  assert.equal(code, 0);
  // Another Xvfb that was killed has left its socket: this one says so, and takes the next display.
  const said = new TextDecoder().decode(stderr).replaceAll(/^_XSERV.*\n/gm, "");
  assert.match(
    said,
    /^telebridge agent: FFmpeg with libx264 \(not h264_nvenc: .*\)\ntelebridge agent: run .*\n$/,
  );
  assert.deepEqual(alive(family), []);
  const left = [...Deno.readDirSync(`${box.folder}/runtime`)].map(({ name }) => name);
  assert.deepEqual(left.filter((name) => name.endsWith(".xauth")), []);
});

Deno.test("sources: serve captures a desktop by GStreamer, and says why by that", async () => {
  await using box = await TestBox.create();
  const run = box.runId("auto");
  const server = await AgentServer.start(
    box,
    `[agents.${run}]\ncommand = ${JSON.stringify(PAINTER)}\nfps = 20\n` +
      `source = { kind = "auto", xvfb = "320x200" }\n`,
  );
  const { sourceWhy } = await server.until(run, "to have pictures", ({ fps }) => (fps ?? 0) > 5);
  assert.match(sourceWhy ?? "", /^GStreamer with x264enc \(not nvh264enc: .*\)/);
  await waitFor("the colour", async () => {
    const answer = await server.serve.fetch(`/runs/${run}/frame.jpg`);
    const jpeg = new Uint8Array(await answer.arrayBuffer());
    return answer.ok && isColour(await decodeJpeg(jpeg));
  });
});

Deno.test("sources: a capture that cannot be had says what is missing", async () => {
  await using box = await TestBox.create();
  const { code, stderr } = await telebridge(
    box,
    "agent",
    "--source",
    "vaapi",
    "--device",
    "/dev/null",
    "--xvfb",
    "64x64",
  );
  assert.equal(code, 1);
  assert.match(stderr, /source "vaapi" cannot be had: not FFmpeg: not h264_vaapi: /);
});
