/** A user's own OpenGL program, as examples/ has one: compiled as its first lines say, and seen in its run's ring. */

import assert from "node:assert/strict";
import { readerOf, ringUnits } from "../harness/agent.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { decodePictures } from "../harness/ffmpeg.ts";
import { waitFor } from "../harness/wait.ts";

const SIZE = { width: 640, height: 360 };

async function compile(box: TestBox): Promise<string> {
  const program = `${box.folder}/egl_program`;
  const source = await Deno.readTextFile(`${ROOT}examples/egl_program.c`);
  const command = /^ \*\s+(cc [^]*?) -o egl_program/m.exec(source)![1]!.replace(/\\\n \*/g, "");
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", `${command} -Wall -Werror -o "$0"`, program],
    cwd: ROOT,
    env: { PWD: ROOT },
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return program;
}

Deno.test("examples: an OpenGL program's textures are pictures of its run, upright and moving", async () => {
  await using box = await TestBox.create();
  const run = box.runId("egl");
  const child = new Deno.Command(await compile(box), {
    args: [run],
    env: box.environment,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const ended = child.output();
  box.onEnd(async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await ended;
  });
  const units = await ringUnits(await readerOf(box, run), 20);
  const { pictures } = await decodePictures(units.map(({ bytes }) => bytes), SIZE);
  const middles = pictures.map((rgb) => middleOf(rgb));
  // A quarter of a turn to the left and up, as cos and sin of the time say; OpenGL's y points up.
  const [first, last] = [middles[0]!, middles[19]!];
  assert(last.x < first.x - 10 && last.y < first.y - 50, JSON.stringify({ first, last }));

  child.kill("SIGTERM");
  const { code, stderr } = await ended;
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  await waitFor("the end of its segment", async () => {
    return await Deno.stat(`/dev/shm/mosaic.run.${run}.fastlane`).then(() => false, () => true);
  });
});

/** Of the bright disc. */
function middleOf(rgb: Uint8Array): { x: number; y: number } {
  let count = 0, columns = 0, rows = 0;
  for (let at = 0; at < rgb.length; at += 3) {
    if (rgb[at]! < 160) continue;
    count++;
    columns += at / 3 % SIZE.width;
    rows += Math.floor(at / 3 / SIZE.width);
  }
  assert(count > 1000, `${count} bright pixels`);
  return { x: columns / count, y: rows / count };
}
