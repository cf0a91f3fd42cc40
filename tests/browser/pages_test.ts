/** Pages as a person meets them: empty, unauthorised, narrow, by keyboard. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { canMount, Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

Deno.test({
  name: "pages: without any run, the page teaches how to make one",
  // Other runs of this machine would be shown, and rightly so.
  ignore: !canMount(),
  async fn() {
    await using box = await TestBox.create();
    const serve = await Serve.start(box, { noRuns: true });
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRuns(serve);
    const empty = viewer.page.locator('[data-state="empty"]');
    await empty.waitFor();
    assert.match(await empty.innerText(), /import telebridge\nrun = telebridge\.init\("my-run"\)/);
  },
});

Deno.test("pages: a run appears on the open list, is opened by a click, and ends there", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("listed");
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRuns(serve);
  await viewer.until("the list", ({ connection }) => connection.phase === "open");
  const producer = await TestProducer.start(box, planFor(run));
  const card = viewer.page.locator(`[data-run="${run}"]`);
  await card.waitFor();
  const thumbnail = card.locator("img");
  await waitFor(
    "the thumbnail",
    () => thumbnail.evaluate((image: HTMLImageElement) => image.naturalWidth === 160),
  );
  await card.click();
  await viewer.untilMoving();
  await viewer.page.goBack();
  await card.waitFor();
  await producer.stop();
  await waitFor("the end", async () => await card.getAttribute("data-phase") === "ended");
});

Deno.test("pages: a run whose header is wrong is an error of that run, on both pages", async () => {
  await using box = await TestBox.create();
  const run = box.runId("wrong");
  const segment = `/dev/shm/mosaic.run.${run}.fastlane`;
  const header = new DataView(new ArrayBuffer(64 * 1024));
  const LAYOUT_VERSION = 3;
  // Magic, version, running, header_bytes (docs/ring.md).
  [0x41534f4d, LAYOUT_VERSION, 1, 16_384].forEach((word, index) =>
    header.setUint32(index * 4, word, true)
  );
  await Deno.writeFile(segment, new Uint8Array(header.buffer), { mode: 0o600 });
  box.onEnd(() => Deno.remove(segment));

  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRuns(serve);
  const card = viewer.page.locator(`[data-run="${run}"]`);
  await card.waitFor();
  assert.equal(await card.getAttribute("data-phase"), "error");
  assert.match(await card.innerText(), /layout version is 3, expected 1/);
  await viewer.visitRun(serve, run);
  const notice = viewer.page.locator('.stage [data-state="error"]');
  await notice.waitFor();
  assert.match(await notice.innerText(), /layout version is 3, expected 1/);
});

Deno.test("pages: without a token there is no page, and an open page says when its token is no good", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const browser = await launchBrowser(box);
  const stranger = await ViewerPage.open(browser);
  const response = await stranger.page.goto(`${serve.origin}/runs/any`);
  assert.equal(response!.status(), 401);
  assert.equal(await stranger.page.locator("canvas").count(), 0);

  const viewer = await ViewerPage.open(browser);
  await viewer.visitRuns(serve);
  await viewer.until("a session", ({ connection }) => connection.phase === "open");
  await serve.stop();
  // The same port, another data directory: another token.
  await using other = await TestBox.create();
  await Serve.start(other, { port: serve.ready.port });
  await viewer.page.locator('[data-state="unauthorised"]').waitFor();
});

for (const colorScheme of ["dark", "light"] as const) {
  Deno.test(`pages: at 360 pixels nothing scrolls sideways (${colorScheme})`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const run = box.runId("a-rather-long-name-of-a-run-that-must-be-cut");
    await TestProducer.start(box, planFor(run));
    const viewer = await ViewerPage.open(await launchBrowser(box), {
      viewport: { width: 360, height: 740 },
      colorScheme,
    });
    const overflow = () =>
      viewer.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    await viewer.visitRuns(serve);
    await viewer.page.locator(`[data-run="${run}"]`).waitFor();
    assert.ok(await overflow() <= 0);
    await viewer.visitRun(serve, run);
    await viewer.untilMoving();
    assert.ok(await overflow() <= 0);
    await viewer.page.locator('[data-action="save"]').scrollIntoViewIfNeeded();
    assert.ok((await viewer.savePng()).frame > 0);
  });
}

Deno.test("pages: the help sheet opens by ?, keeps the focus, and closes by Esc", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const { page } = viewer;
  await viewer.visitRun(serve, box.runId("help"));
  await viewer.until("a session", ({ connection }) => connection.phase === "open");
  const sheet = page.locator("dialog.sheet");
  assert.equal(await sheet.isVisible(), false);
  await page.keyboard.press("?");
  await sheet.waitFor({ state: "visible" });
  for (let tab = 0; tab < 5; tab++) {
    await page.keyboard.press("Tab");
    const outside = await page.evaluate(() => {
      const focused = document.activeElement;
      return focused !== document.body && focused?.closest("dialog") === null;
    });
    assert.equal(outside, false, `the focus left the sheet after ${tab + 1} tabs`);
  }
  await page.keyboard.press("Escape");
  await sheet.waitFor({ state: "hidden" });
});

Deno.test("pages: the theme is switched, remembered, and told", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box), { colorScheme: "light" });
  const { page } = viewer;
  await viewer.visitRuns(serve);
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole("button", { name: "Theme: as the system" }).click();
  const light = await background();
  await page.getByRole("button", { name: "Theme: light" }).click();
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole("button", { name: "Theme: dark" }).waitFor();
  assert.equal(await background(), dark);
});

Deno.test("pages: a hidden page receives no frames, and goes on when it is seen again", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("hidden");
  await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  const setHidden = (hidden: boolean) =>
    viewer.page.evaluate((hidden) => {
      Object.defineProperty(document, "visibilityState", {
        configurable: true,
        value: hidden ? "hidden" : "visible",
      });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  const viewers = async () => {
    const { runs } = await (await serve.fetch("/api/runs")).json();
    return runs.find(({ id }: { id: string }) => id === run)?.viewers;
  };
  await setHidden(true);
  await waitFor("nobody watching", async () => await viewers() === 0, viewers);
  await setHidden(false);
  await viewer.untilMoving();
});
