/** `telebridge mpegts`: what it writes is read by FFmpeg, and whoever reads or writes may go at any time. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { shell, startTelebridge } from "../harness/command.ts";
import { encodedCard, joined, probeVideo } from "../harness/ffmpeg.ts";
import { sleep, waitFor } from "../harness/wait.ts";

const FRAMES = 60;
const FPS = 25;
const units = await encodedCard(320, 180, FRAMES);

/** The card as H.264 in a file. */
async function cardFile(box: TestBox): Promise<string> {
  const path = `${box.folder}/card.h264`;
  await Deno.writeFile(path, joined(units));
  return path;
}

function isRising(times: number[]): boolean {
  return times.every((time, index) => index === 0 || time > times[index - 1]!);
}

Deno.test("mpegts: FFmpeg reads every picture, at its time, and finds the stream at once", async () => {
  await using box = await TestBox.create();
  const path = await cardFile(box);
  const { code, stderr, stdoutBytes } = await shell(
    box,
    `telebridge mpegts --fps ${FPS} -- cat ${path}`,
  );
  assert.deepEqual([code, stderr], [0, ""]);
  const { streams, packets, complaints } = await probeVideo(stdoutBytes, [
    "-f",
    "mpegts",
    "-probesize",
    "20000",
  ]);
  assert.equal(complaints, "");
  assert.equal(streams.length, 1);
  const { codec_name, width, height, nb_read_frames } = streams[0]!;
  assert.deepEqual([codec_name, width, height, nb_read_frames], ["h264", 320, 180, `${FRAMES}`]);
  assert.deepEqual(packets.map(({ pts }) => pts), units.map((_, index) => index * 90_000 / FPS));
  assert.equal(packets.filter(({ isKeyframe }) => isKeyframe).length, FRAMES / 10);
});

Deno.test("mpegts: without a rate, pictures have the times at which they came", async () => {
  await using box = await TestBox.create();
  const source = `-re -f lavfi -i testsrc=size=160x90:rate=20 -frames:v 30`;
  const { code, stdoutBytes } = await shell(
    box,
    `telebridge mpegts -- ffmpeg -loglevel error ${source} -c:v libx264 -preset ultrafast ` +
      "-tune zerolatency -pix_fmt yuv420p -f h264 pipe:1",
  );
  assert.equal(code, 0);
  const { streams, packets, complaints } = await probeVideo(stdoutBytes);
  assert.equal(complaints, "");
  assert.equal(streams[0]!.nb_read_frames, "30");
  const passed = `${box.folder}/passed.ts`;
  await Deno.writeFile(passed, stdoutBytes);
  const again = await shell(box, `telebridge mpegts -- cat ${passed}`);
  assert.deepEqual([again.code, again.stdoutBytes], [0, stdoutBytes], "MPEG-TS passes as it is");
  const times = packets.map(({ pts }) => pts);
  assert(isRising(times), `${times}`);
  // -re never sends earlier than in real time.
  assert((times.at(-1)! - times[0]!) / 90_000 > 1, `${times}`);
});

Deno.test("mpegts: a picture leaves when the next one begins, not later", async () => {
  await using box = await TestBox.create();
  const fifo = `${box.folder}/fifo`;
  assert((await new Deno.Command("mkfifo", { args: [fifo] }).output()).success);
  const child = startTelebridge(box, "mpegts", "--fps", `${FPS}`, "--", "cat", fifo);
  const errors = child.stderr.text();
  const input = await Deno.open(fifo, { write: true });
  const reader = child.stdout.getReader();
  const packets = new PacketCounter();
  for (const [index, unit] of units.entries()) {
    assert.equal(await input.write(unit), unit.byteLength);
    // All that went in is out before more goes in, but for the one whose end is not known.
    while (packets.unitsBegun < index) packets.take((await reader.read()).value!);
    assert.equal(packets.unitsBegun, index);
  }
  input.close();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    packets.take(read.value);
  }
  assert.deepEqual([packets.unitsBegun, (await child.status).code], [FRAMES, 0]);
  assert.equal(await errors, "");
});

/** Counts the units that begin in a transport stream, however it is cut. */
class PacketCounter {
  #rest = new Uint8Array();
  unitsBegun = 0;

  take(bytes: Uint8Array): void {
    const all = joined([this.#rest, bytes]);
    let at = 0;
    for (; at + 188 <= all.byteLength; at += 188) {
      const isVideo = ((all[at + 1]! & 0x1F) << 8 | all[at + 2]!) === 0x100;
      if (isVideo && (all[at + 1]! & 0x40) !== 0) this.unitsBegun++;
    }
    this.#rest = all.slice(at);
  }
}

Deno.test("mpegts: the command's end is ours: its code, its absence, its silence", async () => {
  await using box = await TestBox.create();
  const path = await cardFile(box);
  const cases = [
    [`sh -c 'cat ${path}; echo lost >&2; exit 7'`, 7, /^lost\n.*sh ended with exit code 7\n$/],
    [`sh -c 'cat ${path}; kill -9 $$'`, 137, /sh ended by SIGKILL/],
    ["no-such-command", 127, /there is no command no-such-command/],
    ["echo hello", 1, /echo wrote no H.264 in Annex-B/],
    [`tail -c +3000 ${path}`, 0, /\d pictures were left out/],
  ] as const;
  for (const [command, code, expected] of cases) {
    const ended = await shell(box, `telebridge mpegts -- ${command} | cat; exit $PIPESTATUS`);
    assert.equal(ended.code, code, command);
    assert.match(ended.stderr, expected);
  }
});

Deno.test("mpegts: bytes that are no H.264 cost neither memory nor time", async () => {
  await using box = await TestBox.create();
  // By chance it would begin as MPEG-TS does, and hold start codes.
  const garbage = "sh -c 'echo G; tr \"\\\\0\" x < /dev/urandom | head -c 60000000'";
  const { code, stderr, stdoutBytes } = await shell(box, `telebridge mpegts -- ${garbage}`);
  assert.deepEqual([code, stdoutBytes.byteLength], [1, 0]);
  assert.match(stderr, /wrote no H\.264/);
});

Deno.test("mpegts: when nobody reads any more it ends well, and so does the command", async () => {
  await using box = await TestBox.create();
  const path = await cardFile(box);
  // It writes a little, so that no broken pipe tells it.
  const command = `sh -c 'echo $$ > ${box.folder}/pid; cat ${path}; cat ${path}; exec sleep 1000'`;
  const { code, stderr } = await shell(
    box,
    `telebridge mpegts -- ${command} | head -c 1000 > /dev/null; exit $PIPESTATUS`,
  );
  assert.deepEqual([code, stderr], [0, ""]);
  const pid = (await Deno.readTextFile(`${box.folder}/pid`)).trim();
  assert.throws(() => Deno.lstatSync(`/proc/${pid}`), Deno.errors.NotFound);
});

Deno.test("mpegts: signals are the command's, also while nobody reads", async () => {
  await using box = await TestBox.create();
  const path = await cardFile(box);
  const script = `trap 'exit 9' TERM; while cat ${path}; do echo >> ${box.folder}/rounds; done`;
  const child = startTelebridge(box, "mpegts", "--", "sh", "-c", script);
  const rounds = () => Deno.stat(`${box.folder}/rounds`).then(({ size }) => size, () => 0);
  // Nobody reads: the pipes fill up, and the command waits. 60 kB a round.
  await waitFor("the command to wait", async () => {
    const before = await rounds();
    await sleep(500);
    return before > 0 && await rounds() === before;
  }, rounds);
  assert(await rounds() < 20, "what nobody reads is held in memory");
  child.kill("SIGTERM");
  // Now somebody does, and the shell comes to its trap.
  await child.stdout.pipeTo(new WritableStream());
  assert.equal((await child.status).code, 9);
  await child.stderr.cancel();
});
