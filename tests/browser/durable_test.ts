/** Stored runs as a person looks at them: the list, charts of their scalars, their log; live ones while they grow. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { init } from "../../clients/ts/mod.ts";
import { databasePath, openStore } from "../../core/storage/open.ts";
import type { ChartStatus } from "../../islands/debug_handle.ts";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { canMount, Serve } from "../harness/serve.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { StoredRun } from "../harness/stored_runs.ts";
import { waitFor } from "../harness/wait.ts";

const SAMPLES = 20_000;
/** A drag over a part of a chart, as shares of its width. */
const DRAG = { from: 0.5, to: 0.6 };

/** A run whose loss falls on a line from 1 to 0, 1 ms a sample. */
function storeRun(box: TestBox, runId: string): void {
  using store = openStore(databasePath(box.dataDir));
  const run = new StoredRun(store, runId, { tags: ["baseline"] });
  run.addSamples(Array.from({ length: SAMPLES }, (_, index) => ({
    ms: index,
    series: "train/loss",
    step: index,
    value: 1 - index / (SAMPLES - 1),
  })));
  for (let episode = 0; episode < 30; episode++) run.addEpisode(episode, episode, episode + 1);
  for (let line = 0; line < 250; line++) run.addLog(line, `line ${line}`);
  run.finish(SAMPLES, "failed");
}

/** Waits until what the chart of the loss holds satisfies `test`. */
async function untilLoss(
  viewer: ViewerPage,
  what: string,
  test: (loss: ChartStatus) => boolean,
): Promise<ChartStatus> {
  const isIt = (chart: ChartStatus) => chart.name === "train/loss" && test(chart);
  const { charts } = await viewer.until(what, ({ charts }) => charts.some(isIt));
  return charts.find(isIt)!;
}

/** Middle of the line's pixels at shares of the plot's width, as shares of its height from above; null: none there. */
function lineHeights(page: Page, series: string, shares: number[]): Promise<(number | null)[]> {
  return page.locator(`[data-series="${series}"]`).evaluate((chart, shares) => {
    const canvas = chart.querySelector("canvas")!;
    const plot = chart.querySelector(".u-over")!;
    const [outer, inner] = [canvas.getBoundingClientRect(), plot.getBoundingClientRect()];
    const scale = canvas.width / outer.width;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return shares.map((share) => {
      const x = Math.round((inner.left - outer.left + share * inner.width) * scale);
      let [sum, count] = [0, 0];
      for (let y = 0; y < canvas.height; y++) {
        const offset = 4 * (y * canvas.width + x);
        const [red, , blue, alpha] = data.subarray(offset, offset + 4);
        // The accent's blue, and nothing else there is.
        if (alpha! > 200 && blue! - red! > 80) {
          sum += y;
          count++;
        }
      }
      const top = (inner.top - outer.top) * scale;
      return count === 0 ? null : (sum / count - top) / (inner.height * scale);
    });
  }, shares);
}

Deno.test("durable: a stored run is found in the list; its page is charts and log, and a drag reads a part anew", async () => {
  await using box = await TestBox.create();
  storeRun(box, "stored-1");
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const { page } = viewer;
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });

  await viewer.visitRuns(serve);
  const row = page.locator('[data-run="stored-1"]');
  await row.locator(".stored-values").getByText("loss").waitFor();
  assert.equal(await row.getAttribute("data-stored"), "failed");
  await row.getByRole("button", { name: "baseline" }).click();
  await row.waitFor();
  await row.getByRole("link").click();

  const whole = await untilLoss(viewer, "the loss", ({ points }) => points > 0);
  assert.equal(await page.locator(".stage").isVisible(), false, "there is no picture to show");
  assert.equal(await page.locator('[data-chip="phase"]').innerText(), "Failed");
  assert.ok(whole.thinned && whole.points < SAMPLES / 5, `${whole.points} points`);
  assert.ok(whole.lastStep! > 0.99 * SAMPLES, `${whole.lastStep}`);

  const heights = await waitFor("a line that falls from left to right", async () => {
    const [first, middle, last] = await lineHeights(page, "train/loss", [0.1, 0.5, 0.9]);
    return first != null && middle != null && last != null && [first, middle, last];
  }, () => lineHeights(page, "train/loss", [0.1, 0.5, 0.9]));
  assert.ok(Math.abs(heights[1]! - (heights[0]! + heights[2]!) / 2) < 0.05, `${heights}`);
  assert.ok(heights[0]! + 0.5 < heights[2]!, `${heights}`);

  const plot = (await page.locator('[data-series="train/loss"] .u-over').boundingBox())!;
  const at = (share: number) => [plot.x + share * plot.width, plot.y + plot.height / 2] as const;
  await page.mouse.move(...at(DRAG.from));
  await page.mouse.down();
  await page.mouse.move(...at(DRAG.to), { steps: 4 });
  await page.mouse.up();
  await page.locator('[data-state="zoomed"]').waitFor();
  await untilLoss(viewer, "the part", ({ lastStep }) => lastStep! < 0.7 * SAMPLES);
  await page.locator('[data-action="reset-zoom"]').click();
  await untilLoss(viewer, "the whole", ({ lastStep }) => lastStep === whole.lastStep);
  assert.ok(await page.locator('[data-series="episodes/return"]').isVisible());

  await page.locator('[data-tab="logs"]').click();
  const line = (number: number) =>
    page.locator(".log-line", { hasText: RegExp(`line ${number}$`) });
  await line(249).waitFor();
  assert.equal(await line(0).count(), 0, "its end comes first");
  assert.deepEqual(complaints, []);
});

Deno.test("durable: charts grow while a client publishes, and the run is finished when it says so", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const runId = box.runId("growing");
  const run = init({
    run: runId,
    url: serve.origin,
    token: serve.ready.token,
    spoolDir: `${box.dataDir}-spool`,
  });
  box.onEnd(async () => void await run.finish());
  run.log({ "train/loss": 1 }, { step: 1 });
  assert.ok(await run.flush());
  await viewer.visitRun(serve, runId);
  await untilLoss(viewer, "the first sample", ({ points }) => points === 1);

  run.log({ "train/loss": 0.5, "eval/return": 7 }, { step: 2 });
  run.log({ "train/loss": 0.25 }, { step: 3 });
  await untilLoss(
    viewer,
    "all three",
    ({ points, lastValue }) => points === 3 && lastValue === 0.25,
  );
  await viewer.page.locator('[data-series="eval/return"]').waitFor();
  run.text("stdout", "a line that comes while it is watched");
  await viewer.page.locator('[data-tab="logs"]').click();
  await viewer.page.getByText("a line that comes while it is watched").waitFor();

  await run.finish();
  await viewer.page.locator('[data-chip="phase"]').getByText("Finished").waitFor();
});

Deno.test("durable: pictures of a worker without a ring come by gRPC; the page says so, and may prefer a ring in vain", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const viewer = await ViewerPage.open(await launchBrowser(box));
  const runId = box.runId("far");
  const run = init({
    run: runId,
    url: serve.origin,
    token: serve.ready.token,
    spoolDir: `${box.dataDir}-spool`,
  });
  const pixels = new Uint8Array(64 * 48 * 3);
  let step = 0;
  const timer = setInterval(() => {
    pixels.fill(++step % 256);
    run.frame({ pixels, width: 64, height: 48, step });
  }, 20);
  box.onEnd(async () => {
    clearInterval(timer);
    await run.finish();
  });
  await viewer.visitRun(serve, runId);
  await viewer.untilMoving();
  await viewer.untilHud("route", "gRPC");
  await viewer.page.locator('input[name="route"][value="ring"] + span').click();
  await viewer.page.getByText("does not see the run's ring").waitFor();
  await viewer.until(
    "the route",
    ({ durable }) => durable!.routes.some(({ run, prefer }) => run === runId && prefer === "ring"),
  );
});

Deno.test({
  name:
    "durable: a full disk is told on the page while the picture goes on, and over when there is room",
  // The disk is a mount of the server's own.
  ignore: !canMount(),
  async fn() {
    await using box = await TestBox.create();
    const serve = await Serve.start(box, { diskBytes: 8 * 2 ** 20 });
    const runId = box.runId("full-disk");
    await TestProducer.start(box, planFor(runId));
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRun(serve, runId);
    await viewer.untilMoving();
    const run = init({
      run: runId,
      url: serve.origin,
      token: serve.ready.token,
      spoolDir: `${box.dataDir}-spool`,
    });
    box.onEnd(async () => void await run.finish());
    run.log({ "train/loss": 1 }, { step: 1 });
    assert.ok(await run.flush());
    await untilLoss(viewer, "the first sample", ({ points }) => points === 1);

    const filler = serve.pathOnDisk(`${box.dataDir}/filler`);
    await fillDisk(filler);
    for (let step = 2; step <= 20_000; step++) run.log({ "train/loss": 1 / step }, { step });
    const banner = viewer.page.locator('[data-durable="failing"]');
    await banner.waitFor();
    assert.match(await banner.innerText(), /Recording is paused.*full/is);
    await viewer.untilMoving();

    await Deno.remove(filler);
    await banner.waitFor({ state: "hidden" });
    assert.ok(await run.flush());
    await untilLoss(viewer, "the last sample", ({ lastStep }) => lastStep === 20_000);
  },
});

/** Leaves no room for a page of the database. */
async function fillDisk(path: string): Promise<void> {
  using file = await Deno.create(path);
  for (let bytes = 2 ** 20; bytes >= 512;) {
    try {
      await file.write(new Uint8Array(bytes));
    } catch {
      bytes /= 2;
    }
  }
}
