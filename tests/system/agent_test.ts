/** The headless agent as others meet it: a process, its ring, its pipes, its exit status. */

import assert from "node:assert/strict";
import { locateAssets } from "../../core/assets.ts";
import { RunFlag } from "../../ffi/reader.ts";
import { FRAME_KEYFRAME } from "../../proto/wire.ts";
import { AgentProcess, readerOf, ringUnits, runAgent } from "../harness/agent.ts";
import { TestBox } from "../harness/box.ts";
import { startTelebridge, telebridge } from "../harness/command.ts";
import { decodeJpeg, decodePictures, nalTypes } from "../harness/ffmpeg.ts";
import { openLibrary } from "../harness/library.ts";
import { nvidiaDouble } from "../harness/nvidia.ts";
import { processUsage } from "../harness/process_usage.ts";
import { readBarCode } from "../harness/video_card.ts";
import { sleep, waitFor } from "../harness/wait.ts";

const SIZE = { width: 320, height: 180 };
const SMALL = [`--width=${SIZE.width}`, `--height=${SIZE.height}`];
/** Types of NAL units (H.264, table 7-1). */
const SPS = 7, PPS = 8, SEI = 6, IDR = 5, SLICE = 1;
const JPEG_BYTES_MAX = 1 << 20;

async function barCodes(units: Uint8Array[]): Promise<(number | null)[]> {
  const { pictures, complaints } = await decodePictures(units, SIZE);
  assert.equal(complaints, "");
  return pictures.map((rgb) => readBarCode(rgb, SIZE.width, SIZE.height));
}

function countingFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

Deno.test("agent: its ring holds access units that decode to pictures 1, 2, 3...; SIGTERM removes it", async () => {
  await using box = await TestBox.create();
  const run = box.runId("ring");
  const agent = AgentProcess.start(box, "--run", run, ...SMALL, "--fps=60", "--gop=0.5");
  const units = await ringUnits(await readerOf(box, run), 70);
  assert.deepEqual(
    await barCodes(units.map(({ bytes }) => bytes)),
    units.map(({ header }) => header.frame),
  );
  assert.deepEqual(units.map(({ header }) => header.step), countingFrom(1, 70));
  const keyframes = units.flatMap(({ header, bytes }, index) => {
    const isKeyframe = (header.flags & FRAME_KEYFRAME) !== 0;
    assert.equal(nalTypes(bytes).includes(IDR), isKeyframe, `frame ${header.frame}`);
    return isKeyframe ? [index] : [];
  });
  assert.equal(keyframes[0], 0);
  assert(keyframes.length >= 2, `keyframes at ${keyframes}, with a GOP of half a second`);
  const { header } = units[69]!;
  assert.deepEqual([header.width, header.height], [320, 180]);

  assert.equal((await agent.end("SIGTERM")).code, 0);
  assert(!await isThere(`/dev/shm/mosaic.run.${run}.fastlane`), "its segment");
  assert.match(
    agent.said,
    /320 x 180 at 60 pictures\/s .* encoded by .*\n.*ended after \d+ pictures/,
  );
});

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("agent: its run answers pause, rate cap and a wish for a keyframe", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("control");
  const agent = AgentProcess.start(box, "--run", run, ...SMALL, "--fps=240", "--gop=600");
  const reader = await readerOf(box, run);
  const head = () => reader.readStatus().head;
  // The ring holds 256 of them: the first keyframe is gone then.
  await waitFor("enough frames", () => head() > 300);
  using library = openLibrary();
  const jpeg = new Uint8Array(JPEG_BYTES_MAX);
  const bytes = await library.snapshot(reader, 90, 30_000, jpeg);
  const number = readBarCode(await decodeJpeg(jpeg.subarray(0, bytes)), SIZE.width, SIZE.height);
  assert(number !== null && number > 300 && number <= head(), `picture ${number} of ${head()}`);

  using controller = library.openController(reader);
  using hub = library.openHub();
  hub.add(1, reader, controller); // it renews the lease
  controller.setPause(true);
  await waitFor("the pause", () => (reader.readStatus().flags & RunFlag.Paused) !== 0);
  const paused = head();
  await sleep(200);
  assert(head() <= paused + 1, `${head() - paused} frames in a pause`);
  controller.setRateMax(10_000);
  controller.setPause(false);
  await waitFor("the end of the pause", () => head() > paused + 2);
  const capped = head();
  const cappedAtMs = Date.now();
  await sleep(500);
  const seconds = (Date.now() - cappedAtMs) / 1000;
  assert(head() - capped <= seconds * 10 + 2, `${head() - capped} frames in ${seconds} s`);
  controller.setRateMax(0);
  await waitFor("all frames again", () => head() > capped + 100);
  await waitFor("its numbers", () => reader.readHud() && stepRate(reader.hud) > 0);
  hub.remove(1);
  assert.equal((await agent.end("SIGINT")).code, 0);
});

function stepRate(hud: Uint8Array<ArrayBuffer>): number {
  return new DataView(hud.buffer).getFloat64(16, true);
}

for (const [flag, format] of [["--stdout", "h264"], ["--mpegts", "mpegts"]] as const) {
  Deno.test(`agent: ${flag} is exactly --frames pictures of one slice each for ffprobe, and nothing else`, async () => {
    await using box = await TestBox.create();
    // 720p, which is cut into slices where that is wanted.
    const { code, stdout, stderr } = await runAgent(box, [flag, "--frames=20", "--fps=60"]);
    assert.equal(code, 0, stderr);
    const path = `${box.folder}/video`;
    await Deno.writeFile(path, stdout);
    const probed = await new Deno.Command("ffprobe", {
      args: ["-v", "warning", "-f", format, "-count_frames", "-of", "json"].concat(
        ["-show_entries", "stream=codec_name,width,height,nb_read_frames", path],
      ),
    }).output();
    assert.equal(new TextDecoder().decode(probed.stderr), "");
    const { streams } = JSON.parse(new TextDecoder().decode(probed.stdout));
    assert.deepEqual(streams, [
      { codec_name: "h264", width: 1280, height: 720, nb_read_frames: "20" },
    ]);
    if (format === "h264") {
      assert.deepEqual([...stdout.subarray(0, 4)], [0, 0, 0, 1], "something in front of the video");
      const slices = nalTypes(stdout).filter((type) => type === SLICE || type === IDR);
      assert.equal(slices.length, 20);
    }
  });
}

Deno.test("agent: whoever read stdout may go: the exit status is 0", async () => {
  const { stdout } = await new Deno.Command("bash", {
    args: [
      "-c",
      '"$1" --stdout --width=320 --height=180 | head -c 1000 | wc -c; echo "${PIPESTATUS[*]}"',
    ]
      .concat(["bash", locateAssets().agentPath]),
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "1000\n0 0 0\n");
});

/** Opens a FIFO as another program would, and takes at least so many bytes of what comes. */
async function takeFrom(fifo: Deno.FsFile, bytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let taken = 0; taken < bytes;) {
    const chunk = new Uint8Array(65_536);
    const read = await fifo.read(chunk);
    assert(read !== null, "the FIFO has ended");
    chunks.push(chunk.subarray(0, read));
    taken += read;
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

Deno.test("agent: a FIFO costs nothing without a reader, and each reader begins with a keyframe", async () => {
  await using box = await TestBox.create();
  const path = `${box.folder}/video.h264`;
  const options = [...SMALL, "--fps=120", "--gop=600", "--verbose"];
  const agent = AgentProcess.start(box, "--fifo", path, ...options);
  await agent.until(`FIFO ${path}`);
  const firsts: (number | null)[] = [];
  for (const reader of [1, 2]) {
    // Once what it did before is over.
    await waitFor(`nothing to be done before reader ${reader}`, async () => {
      const before = await processUsage(agent.pid);
      await sleep(500); // 60 pictures
      return (await processUsage(agent.pid)).cpuSeconds - before.cpuSeconds <= 0.02;
    });
    const fifo = await Deno.open(path);
    const bytes = await takeFrom(fifo, 30_000);
    fifo.close();
    assert.deepEqual(nalTypes(bytes).filter((type) => type !== SEI).slice(0, 3), [SPS, PPS, IDR]);
    const { pictures } = await decodePictures([bytes], SIZE);
    firsts.push(readBarCode(pictures[0]!, SIZE.width, SIZE.height));
    const left = () => agent.said.split("has no reader any more").length - 1;
    await waitFor("the reader's leave", () => left() === reader);
  }
  assert.equal(firsts[0], 1, "pictures were drawn for nobody");
  assert(firsts[1]! > 1);
  assert.equal((await agent.end("SIGTERM")).code, 0);
});

Deno.test("agent: a FIFO's slow reader misses pictures, never a part of one, and holds nothing up", async () => {
  await using box = await TestBox.create();
  const path = `${box.folder}/video.h264`;
  const agent = AgentProcess.start(box, "--fifo", path, ...SMALL, "--fps=240", "--bitrate=20000");
  await agent.until(`FIFO ${path}`);
  const fifo = await Deno.open(path);
  await sleep(500);
  // What the pipe held, and then more.
  const codes = await barCodes([await takeFrom(fifo, 200_000)]);
  const whole = codes.slice(0, -1); // the last may be cut by us
  // One that was begun when there was room still is left out, too, and a keyframe follows.
  assert.ok(
    whole.every((code, i) => code !== null && code > (whole[i - 1] ?? 0)),
    `${whole}`,
  );
  assert.equal((await agent.end("SIGTERM")).code, 0);
  fifo.close();
  assert(Number(/(\d+) dropped/.exec(agent.said)![1]) > 5, agent.said);
});

Deno.test("agent: one that was stopped skips what it missed, and is on time again", async () => {
  await using box = await TestBox.create();
  const run = box.runId("stopped");
  const agent = AgentProcess.start(box, "--run", run, ...SMALL, "--fps=60");
  const reader = await readerOf(box, run);
  const head = () => reader.readStatus().head;
  await waitFor("frames", () => head() > 5);
  agent.signal("SIGSTOP");
  const before = head();
  await sleep(500);
  agent.signal("SIGCONT");
  const goesOnAtMs = Date.now();
  await sleep(100);
  const due = (Date.now() - goesOnAtMs) * 0.06;
  assert(head() - before < due + 10, `${head() - before} frames, those that were missed with them`);
  await waitFor("more frames", () => head() > before + 30);
  await agent.end("SIGTERM");
  const [, pictures, skipped] = /after (\d+) pictures, (\d+) skipped/.exec(agent.said)!;
  assert(Number(skipped) >= 25, `${skipped} of ${pictures}`);
});

Deno.test("agent: where the GPU's encoder fails, the next one goes on; asked for by name, that is the end", async () => {
  await using box = await TestBox.create();
  const lost = await nvidiaDouble("NVIDIA L4", "nvEncEncodePicture 20 5");
  const args = ["--stdout", "--frames=40", "--fps=120", ...SMALL];
  const taken = await runAgent(box, args, lost);
  assert.equal(taken.code, 0, taken.stderr);
  assert.match(
    taken.stderr,
    /encoded by NVENC .* on NVIDIA L4\n.*nvEncEncodePicture.*\n.*from now on .*, encoded by x264/,
  );
  assert.deepEqual(await barCodes([taken.stdout]), countingFrom(1, 40));
  const ended = await runAgent(box, [...args, "--encoder=nvenc"], lost);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /\n.*NVIDIA L4: nvEncEncodePicture: NV_ENC_ERR_DEVICE_NOT_EXIST/);
});

Deno.test("agent: what cannot be is told in one line, with the exit status that scripts know", async () => {
  await using box = await TestBox.create();
  const taken = box.runId("taken");
  AgentProcess.start(box, "--run", taken, ...SMALL);
  await readerOf(box, taken);
  await Deno.writeTextFile(`${box.folder}/plain`, "");
  // What the loader finds first, and cannot load.
  await Deno.writeTextFile(`${box.folder}/libEGL.so.1`, "");
  const withoutEgl = { LD_LIBRARY_PATH: box.folder };
  const cases: [args: string[], code: number, said: RegExp, env?: Record<string, string>][] = [
    [["--fps", "fast"], 2, /--fps is "fast", expected a rate from 1 to 240/],
    [["--width=321"], 2, /--width is "321", expected an even number/],
    [["--frames=-1"], 2, /--frames is "-1"/],
    [["--run", "a/b"], 2, /--run is "a\/b", expected up to 64 letters/],
    [["--encoder=h265"], 2, /--encoder is "h265", expected auto, nvenc/],
    [["--stdout", "--fifo=x"], 2, /only one of --stdout/],
    [["--source=exec", "--fps=20", "--", "true"], 2, /--fps is for the agent's own picture/],
    [["--picture"], 2, /unrecognized option '--picture'/],
    [["more"], 2, /unexpected "more"/],
    [["--run", taken, ...SMALL], 1, /already published by pid \d+/],
    [["--fifo", `${box.folder}/plain`, ...SMALL], 1, /plain is there and is no FIFO/],
    [["--fifo", `${box.folder}/no/where`, ...SMALL], 1, /cannot make FIFO .*No such file/],
    [["--gpu=99"], 1, /cannot render on GPU 99/],
    [["--frames=1"], 1, /libEGL\.so\.1: .*apt-get install libegl1/, withoutEgl],
  ];
  for (const [args, code, said, env] of cases) {
    const ended = await runAgent(box, args, env);
    assert.match(ended.stderr, said);
    assert.equal(ended.code, code, `${args}: ${ended.stderr}`);
    assert.equal(ended.stdout.byteLength, 0);
  }
});

Deno.test("agent: `telebridge agent` becomes it, and no other process remains", async () => {
  await using box = await TestBox.create();
  const run = box.runId("become");
  const child = startTelebridge(box, "agent", "--run", run, ...SMALL);
  const reader = await readerOf(box, run);
  assert.equal(reader.status.producerPid, child.pid);
  assert.equal(await Deno.readLink(`/proc/${child.pid}/exe`), locateAssets().agentPath);
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  const help = await telebridge(box, "agent", "--help");
  assert.match(help.stdout, /^Usage: telebridge agent /);
});
