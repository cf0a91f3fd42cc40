/** The run page's numbers, knobs and heat map, against a real server and a real producer. */

import assert from "node:assert/strict";
import { decode } from "fast-png";
import { heatColours } from "../../viewer/heat_map.ts";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { planFor, SMALL_CARD } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { cardRgb } from "../harness/test_card.ts";
import { sleep } from "../harness/wait.ts";

Deno.test("viewer: the HUD shows what the producer wrote, on both pages", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("hud");
  await TestProducer.start(
    box,
    planFor(run, {
      hud: {
        lastReward: -1.5,
        avgReward1s: -30.25,
        stepRateHz: 1_234.5,
        episode: 12_345,
        step: 9_876_543,
        episodeReturn: -132.75,
        loss: 0.0125,
      },
    }),
  );
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  const texts = {
    episode: "12,345",
    step: "9,876,543",
    reward: "−1.500",
    return: "−132.8",
    "avg-reward": "−30.25",
    rate: "1,235",
    loss: "0.0125",
  };
  for (const [name, text] of Object.entries(texts)) await viewer.untilHud(name, text);

  await viewer.visitRuns(serve);
  const card = viewer.page.locator(`[data-run="${run}"]`);
  await card.waitFor();
  assert.equal(await card.locator('[data-hud="step"]').innerText(), "9,876,543");
  assert.equal(await card.locator('[data-chip="phase"]').innerText(), "Live");
});

Deno.test("viewer: without a HUD block the frame's own stamps are shown, a loss that is not there is not", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("stamps");
  await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  // The numbers on the page and the picture's belong to one status: stop it, so that both are of the same frame.
  await serve.kill();
  const { picture } = await viewer.until(
    "loss of the server",
    (snapshot) => snapshot.connection.phase === "reconnecting",
  );
  assert.equal(picture!.step, picture!.frame * 10);
  assert.equal(picture!.reward, picture!.frame / 4);
  await viewer.untilHud("step", (picture!.frame * 10).toLocaleString("en-US"));
  await viewer.untilHud("loss", "–");
});

Deno.test("viewer: two viewers at once, one on each lane, both exact", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("two");
  await TestProducer.start(box, planFor(run));
  const browser = await launchBrowser(box);
  const viewers = [await ViewerPage.open(browser), await ViewerPage.open(browser)];
  await viewers[0]!.visitRun(serve, run, { transport: "webtransport" });
  await viewers[1]!.visitRun(serve, run, { transport: "websocket" });
  for (const viewer of viewers) {
    await viewer.untilMoving();
    await viewer.untilHud("viewers", "2");
    const saved = await viewer.savePng();
    assert.deepEqual(saved.rgb, cardRgb(SMALL_CARD, saved.frame));
  }
});

Deno.test("viewer: the FPS cap and every n-th frame hold, and what is passed over is counted", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("knobs");
  await TestProducer.start(box, planFor(run, { framesPerSecond: 50 }));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  const choose = (name: string, value: number) =>
    viewer.page.locator(`input[name="${name}"][value="${value}"]`).check({ force: true });
  /** What happened within about two seconds. A snapshot is up to a few tenths of a second old. */
  const measure = async () => {
    const before = (await viewer.snapshot())!;
    const begunAtMs = performance.now();
    await sleep(2_000);
    const after = (await viewer.snapshot())!;
    return {
      secondsMax: (performance.now() - begunAtMs) / 1_000 + 0.5,
      shown: after.counters.shown - before.counters.shown,
      published: after.picture!.frame - before.picture!.frame,
      skipped: after.counters.skipped - before.counters.skipped,
    };
  };

  await choose("fps-max", 30);
  await sleep(500);
  const capped = await measure();
  assert.ok(capped.shown > 0 && capped.shown <= 30 * capped.secondsMax, JSON.stringify(capped));

  await choose("fps-max", 0);
  await choose("every-nth", 5);
  await sleep(500);
  const thinned = await measure();
  assert.ok(thinned.published >= 5 * (thinned.shown - 1), JSON.stringify(thinned));
  assert.ok(thinned.shown > 0);
  assert.equal(thinned.skipped, thinned.published - thinned.shown);
});

Deno.test("viewer: with dropping switched off every frame is shown", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("all");
  await TestProducer.start(box, planFor(run, { framesPerSecond: 30 }));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.untilMoving();
  await viewer.page.locator('input[name="stay-live"]').uncheck();
  await sleep(300);
  const before = (await viewer.snapshot())!;
  const after = await viewer.until(
    "60 frames",
    ({ picture }) => picture!.frame >= before.picture!.frame + 60,
  );
  assert.equal(
    after.counters.shown - before.counters.shown,
    after.picture!.frame - before.picture!.frame,
  );
});

for (const renderer of ["2d", "webgl"]) {
  Deno.test(`viewer: the heat map lies over the picture by ${renderer}, with its opacity`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const run = box.runId("heat");
    const heat = 200;
    await TestProducer.start(box, planFor(run, { overlay: { width: 7, height: 5, heat } }));
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRun(serve, run, { renderer });
    await viewer.untilMoving();
    const { page } = viewer;
    await page.locator('input[name="overlay-in-png"]').check();
    const colour = [...heatColours().subarray(heat * 4, heat * 4 + 3)];

    // Half of each: within a level of rounding.
    const half = await viewer.savePng();
    cardRgb(SMALL_CARD, half.frame).forEach((value, at) => {
      const expected = (value + colour[at % 3]!) / 2;
      assert.ok(Math.abs(half.rgb[at]! - expected) <= 1, `${half.rgb[at]} at ${at}`);
    });

    await page.locator('input[name="overlay-opacity"]').fill("1");
    const full = await viewer.savePng();
    for (let at = 0; at < full.rgb.length; at++) assert.equal(full.rgb[at], colour[at % 3]);

    // And on the screen itself, in the middle of the stage.
    await page.locator('[data-action="hud"]').click();
    const shot = decode(await page.locator("canvas").screenshot());
    const middle = (Math.floor(shot.height / 2) * shot.width + Math.floor(shot.width / 2)) *
      shot.channels;
    assert.deepEqual([...shot.data.slice(middle, middle + 3)], colour);

    await page.locator('[data-action="overlay"]').click();
    const none = await viewer.savePng();
    assert.deepEqual(none.rgb, cardRgb(SMALL_CARD, none.frame));
  });
}

Deno.test("viewer: latency is measured, its stages add up, and the page shows it", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("latency");
  await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  const { latency } = await viewer.until(
    "fifty measured frames",
    (snapshot) => (snapshot.latency.total?.samples ?? 0) >= 50,
  );
  const stagesMs = (["ring", "server", "wire", "draw"] as const).reduce(
    (sum, stage) => sum + latency[stage]!.nowMs,
    0,
  );
  assert.ok(Math.abs(stagesMs - latency.total!.nowMs) < 1e-6);
  // Clocks of one machine: nothing arrives before it left, but for the probes' own error.
  assert.ok(latency.total!.p50Ms > 0 && latency.ring!.p50Ms >= 0 && latency.server!.p50Ms >= 0);
  assert.ok(latency.total!.p99Ms >= latency.total!.p50Ms);
  assert.match(await viewer.hud("latency-p50"), /^\d+(\.\d+)?$/);
});
