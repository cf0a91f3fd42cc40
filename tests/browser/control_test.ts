/** What a person does reaches the worker: pause, step, pointer, wheel, keys, size. */

import assert from "node:assert/strict";
import { InputKind } from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { sleep, waitFor } from "../harness/wait.ts";

/** Long enough for several frames of a run that is not paused. */
const STILL_MS = 600;

for (const transport of ["webtransport", "websocket"]) {
  Deno.test(`control over ${transport}: pause stops the worker, step lets it take one, resume lets it go`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const run = box.runId("pause");
    await TestProducer.start(box, planFor(run, { gated: true }));
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRun(serve, run, { transport });
    await viewer.untilMoving();
    const frameNow = async () => (await viewer.snapshot())!.picture!.frame;

    await viewer.page.keyboard.press("Space");
    await viewer.until("pause", ({ stream }) => stream!.paused);
    await sleep(STILL_MS);
    const paused = await frameNow();
    await sleep(STILL_MS);
    assert.equal(await frameNow(), paused);

    for (const step of [1, 2]) {
      await viewer.page.keyboard.press(".");
      await viewer.until(`step ${step}`, ({ picture }) => picture!.frame === paused + step);
      await sleep(STILL_MS);
      assert.equal(await frameNow(), paused + step);
    }

    await viewer.page.locator('[data-action="pause"]').click();
    await viewer.until("resume", ({ stream }) => !stream!.paused);
    await viewer.untilMoving();
  });
}

Deno.test("control: a step that a worker hangs over is told of", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("hangs");
  const producer = await TestProducer.start(box, planFor(run, { gated: true }));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  Deno.kill(producer.pid, "SIGSTOP");
  await viewer.page.keyboard.press(".");
  await viewer.page.getByText("The worker has not taken it yet").waitFor();
  Deno.kill(producer.pid, "SIGCONT");
  await viewer.untilMoving();
});

Deno.test("control: pointer, wheel, keys and size arrive as they were made, and only while it is on", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("input");
  const { inputs } = await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  const { page } = viewer;
  const arrived = (what: string, test: (input: typeof inputs[number]) => boolean) =>
    waitFor(`${what} at the producer`, () => inputs.find(test), () => inputs.slice(-5));

  // Not yet in control: nothing of this may arrive.
  const canvas = (await page.locator("canvas").boundingBox())!;
  await page.mouse.move(canvas.x + 10, canvas.y + 10);
  await page.keyboard.press("x");

  await page.locator('[data-action="control"]').click();
  await viewer.until("control", ({ stream }) => stream!.control === "you");
  const size = await arrived("size of the stage", ({ kind }) => kind === InputKind.Resize);
  assert.deepEqual([size.x, size.y], [Math.round(canvas.width), Math.round(canvas.height)]);
  assert.ok(!inputs.some(({ kind }) => kind === InputKind.Key || kind === InputKind.Pointer));

  // 160 × 120 in the middle of the stage; a quarter from the left, three quarters down.
  const scale = Math.min(canvas.width / 160, canvas.height / 120);
  const at = {
    x: canvas.x + canvas.width / 2 - 40 * scale,
    y: canvas.y + canvas.height / 2 + 30 * scale,
  };
  await page.mouse.move(at.x, at.y);
  await page.mouse.down({ button: "right" });
  const pressed = await arrived(
    "button",
    ({ kind, buttons }) => kind === InputKind.Pointer && buttons === 2,
  );
  assert.ok(Math.abs(pressed.x - 0.25) < 0.01 && Math.abs(pressed.y - 0.75) < 0.01);
  await page.mouse.up({ button: "right" });

  await page.mouse.wheel(0, 120);
  const wheel = await arrived("wheel", ({ kind }) => kind === InputKind.Wheel);
  assert.deepEqual([wheel.x, wheel.y], [0, 3]);

  await page.keyboard.down("Shift");
  await page.keyboard.press("a");
  await page.keyboard.up("Shift");
  const keyA = (down: number) => (input: typeof inputs[number]) =>
    input.kind === InputKind.Key && input.code === 4 && input.buttons === down;
  assert.equal((await arrived("key A", keyA(1))).modifiers, 1);
  await arrived("key A up", keyA(0));
  await page.keyboard.press("Space");
  await arrived("the space bar", ({ kind, code }) => kind === InputKind.Key && code === 44);
  assert.equal((await viewer.snapshot())!.stream!.paused, false);

  const sizesBefore = inputs.filter(({ kind }) => kind === InputKind.Resize).length;
  await page.setViewportSize({ width: 900, height: 640 });
  await waitFor(
    "another size",
    () => inputs.filter(({ kind }) => kind === InputKind.Resize).length > sizesBefore,
  );

  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await viewer.until("release of control", ({ stream }) => stream!.control === "none");
  await arrived("release of all", ({ kind }) => kind === InputKind.ReleaseAll);
});

Deno.test("control: a second viewer sees that it is taken, and gets it when it is given back", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("shared");
  await TestProducer.start(box, planFor(run));
  const browser = await launchBrowser(box);
  const [first, second] = [await ViewerPage.open(browser), await ViewerPage.open(browser)];
  for (const viewer of [first, second]) {
    await viewer.visitRun(serve, run);
    await viewer.untilMoving();
  }
  const control = (viewer: ViewerPage) => viewer.page.locator('[data-action="control"]');
  await control(first).click();
  await second.until("control of the other", ({ stream }) => stream!.control === "other");
  await waitFor("a locked button", () => control(second).isDisabled());
  await first.close();
  await second.until("control of nobody", ({ stream }) => stream!.control === "none");
  await control(second).click();
  await second.until("control", ({ stream }) => stream!.control === "you");
});

Deno.test("control: an address that may only watch cannot touch", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--view-token"] });
  const run = box.runId("watch");
  await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.page.goto(`${serve.origin}/runs/${run}?token=${serve.ready.viewToken}`);
  await viewer.untilMoving();
  await viewer.untilHud("access", "Watch only");
  for (const action of ["pause", "step", "control"]) {
    assert.ok(await viewer.page.locator(`[data-action="${action}"]`).isDisabled(), action);
  }
  assert.ok((await viewer.savePng()).frame > 0);
});
