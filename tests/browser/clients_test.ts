/** The clients and the examples, as a user runs them: what each published is what Chromium shows and saves. */

import assert from "node:assert/strict";
import { ROOT, TestBox } from "../harness/box.ts";
import { launchBrowser, type SavedFrame, ViewerPage } from "../harness/browser.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";
import { Worker } from "../harness/worker.ts";

const PYPI_NOT_REACHED = 3;
/** To be compared pixel by pixel: pictures of their size go by H.264 otherwise. */
const LOSSLESS = { lane: "raw" };

/** Builds what the tests run; says whether Gymnasium could be had. */
function prepare(): boolean {
  const run = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args, cwd: ROOT, stdout: "null", stderr: "inherit" }).outputSync();
  for (const folder of ["native/demo", "clients/c", "clients/python"]) {
    const goal = folder === "clients/python" ? ["wheel"] : [];
    assert.ok(run("make", "--silent", "-C", folder, ...goal).success, `make -C ${folder}`);
  }
  const { code } = run("tools/python_venv.sh", "gymnasium");
  assert.ok(code === 0 || code === PYPI_NOT_REACHED, `tools/python_venv.sh ended with ${code}`);
  return code === 0;
}

/** The picture that a worker saved itself: binary PPM, three lines of text and then RGB rows. */
async function readPpm(path: string): Promise<Omit<SavedFrame, "frame">> {
  const bytes = await Deno.readFile(path);
  const [head, width, height] = new TextDecoder("latin1").decode(bytes.subarray(0, 40))
    .match(/^P6 (\d+) (\d+) 255\n/)!;
  return {
    width: Number(width),
    height: Number(height),
    rgb: bytes.subarray(head.length),
  };
}

type Colour = readonly [number, number, number];

/** Compares a whole picture with the colours that it should have. */
function assertPicture(saved: SavedFrame, expected: (x: number, y: number) => Colour): void {
  for (let y = 0; y < saved.height; y++) {
    for (let x = 0; x < saved.width; x++) {
      const at = (y * saved.width + x) * 3;
      const found = [...saved.rgb.subarray(at, at + 3)];
      assert.deepEqual(found, [...expected(x, y)], `frame ${saved.frame} at ${x}, ${y}`);
    }
  }
}

const hasGymnasium = prepare();
if (!hasGymnasium) {
  console.log("SKIP: example gymnasium_cartpole: PyPI could not be reached");
  console.log("SKIP: example gymnasium_vector: PyPI could not be reached");
}

/** The numpy one takes its time, the others draw each step as fast as they can. */
const EXAMPLES = [
  {
    name: "plain_numpy",
    args: ["--steps", "120", "--fps", "60"],
    steps: 120,
    size: [408, 264],
    ignore: false,
  },
  {
    name: "gymnasium_cartpole",
    args: ["--steps", "200", "--fps", "0"],
    steps: 200,
    size: [600, 400],
    ignore: !hasGymnasium,
  },
  {
    name: "gymnasium_vector",
    args: ["--steps", "40", "--fps", "0"],
    steps: 40 * 8,
    size: [1200, 400],
    ignore: !hasGymnasium,
  },
];

for (const { name, args, steps, size, ignore } of EXAMPLES) {
  Deno.test({
    name: `example ${name}: its last picture, pixel by pixel, on a page that waited for it`,
    ignore,
    async fn() {
      await using box = await TestBox.create();
      const serve = await Serve.start(box);
      const viewer = await ViewerPage.open(await launchBrowser(box));
      const run = box.runId("example");
      await viewer.visitRun(serve, run, LOSSLESS);
      const picture = `${box.folder}/last.ppm`;
      const worker = Worker.start(box, "examples/run", [
        ...[name, "--run", run, "--hold", "--save-frame", picture],
        ...args,
      ]);
      assert.match(await worker.line(), /^holding the last picture/);
      await viewer.until("the last step", ({ picture }) => picture?.step === steps);
      const [shown, own] = [await viewer.savePng(), await readPpm(picture)];
      assert.deepEqual([own.width, own.height], size);
      assert.deepEqual([shown.width, shown.height], size);
      // Without a list of what differs: of a whole picture that takes all memory there is.
      assert.ok(shown.rgb.every((value, at) => value === own.rgb[at]), "pixels differ");
      await worker.interrupt();
      await viewer.until("the end", ({ stream }) => stream?.phase === "ended");
    },
  });
}

Deno.test("example plain_numpy: maze, cheese and mouse have the colours that it gives them", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const run = box.runId("maze");
  Worker.start(box, "examples/run", ["plain_numpy", "--run", run]);
  await viewer.visitRun(serve, run, LOSSLESS);
  await viewer.untilMoving();
  const { rgb, width } = await viewer.savePng();
  const pixel = (x: number, y: number) => [...rgb.subarray((y * width + x) * 3).subarray(0, 3)];
  assert.deepEqual(pixel(0, 0), [58, 66, 92]);
  assert.deepEqual(pixel(25, 25), [18, 21, 32]);
  assert.deepEqual(pixel(15 * 24 + 12, 9 * 24 + 12), [255, 196, 61]);
  const mice = Array.from({ length: 17 * 11 }, (_, cell) => [cell % 17, Math.floor(cell / 17)])
    .filter(([column, row]) => pixel(column! * 24 + 12, row! * 24 + 12)[0] === 235);
  assert.equal(mice.length, 1);
});

Deno.test("a server that is killed while it has a Python run paused lets go of it", async () => {
  await using box = await TestBox.create();
  const browser = await launchBrowser(box);
  const run = box.runId("maze");
  Worker.start(box, "examples/run", ["plain_numpy", "--run", run]);
  const killed = await Serve.start(box);
  const viewer = await ViewerPage.open(browser);
  await viewer.visitRun(killed, run);
  await viewer.untilMoving();
  await viewer.page.keyboard.press("Space");
  await viewer.until("pause", ({ stream }) => stream!.paused);
  const { frame } = (await viewer.snapshot())!.picture!;
  await killed.kill();

  const next = await Serve.start(box);
  await viewer.visitRun(next, run);
  const moving = await viewer.untilMoving();
  assert.ok(moving.picture!.frame > frame, "it is the same run, further on");
  await viewer.until("the page to say so", ({ stream }) => !stream!.paused);
});

Deno.test("a producer of Python's own library alone: every pixel by its formula", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const run = box.runId("plain");
  const producer = Worker.start(box, "/usr/bin/python3", [
    ...["-I", "tests/python/plain_producer.py", run, "--width", "61", "--height", "47"],
  ]);
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  const saved = await viewer.savePng();
  assert.deepEqual([saved.width, saved.height], [61, 47]);
  assertPicture(saved, (x, y) => [
    Math.floor(x * 255 / 61),
    Math.floor(y * 255 / 47),
    saved.frame % 256,
  ]);
  await producer.interrupt();
  await viewer.until("the end", ({ stream }) => stream?.phase === "ended");
});

Deno.test("the C client's example: every pixel by its formula, and the cross goes where the pointer is", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const run = box.runId("c");
  const example = Worker.start(box, "clients/c/build/example", [run]);
  await viewer.visitRun(serve, run, LOSSLESS);
  await viewer.untilMoving();
  const saved = await viewer.savePng();
  assert.deepEqual([saved.width, saved.height], [320, 180]);
  assertPicture(saved, (x, y) => {
    if (x === 159 || y === 89) return [255, 255, 255];
    const step = saved.frame;
    return [(x + step) & 255, Math.floor(y * 255 / 180), ((x ^ y) + 2 * step) & 255];
  });

  await viewer.page.locator('[data-action="control"]').click();
  await viewer.until("control", ({ stream }) => stream!.control === "you");
  const canvas = (await viewer.page.locator("canvas").boundingBox())!;
  await viewer.page.mouse.move(canvas.x + canvas.width / 2, canvas.y + canvas.height / 2 + 30);
  await waitFor("the cross to leave the middle", async () => {
    const { rgb, width } = await viewer.savePng();
    return rgb.subarray(89 * width * 3, 89 * width * 3 + 30).some((value) => value !== 255);
  });
  await example.interrupt();
});

Deno.test("the demo: its cars move, and its numbers", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const run = box.runId("demo");
  const demo = Worker.start(box, "native/build/mountain_car", ["--run-id", run]);
  await viewer.visitRun(serve, run);
  const before = await viewer.untilMoving();
  const first = await viewer.savePng();
  assert.deepEqual([first.width, first.height], [640, 360]);
  await viewer.until("more steps", ({ hud }) => hud!.step > before.hud!.step);
  await viewer.untilMoving();
  const second = await viewer.savePng();
  const changed = first.rgb.filter((value, at) => value !== second.rgb[at]).length;
  assert.ok(changed > 1000, `${changed} of ${first.rgb.length} bytes differ`);
  await demo.interrupt();
});
