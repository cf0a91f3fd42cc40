/** What is killed comes back by itself, under a page that is never loaded again. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { planFor, SMALL_CARD, videoPlanFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { cardRgb } from "../harness/test_card.ts";

/** A page in whose worker a script runs before the viewer's own. */
async function openHooked(box: TestBox, hook: string): Promise<ViewerPage> {
  // A script that a test hands to the browser comes from no address, and may not reach a local one otherwise.
  const browser = await launchBrowser(box, ["--disable-features=LocalNetworkAccessChecks"]);
  const viewer = await ViewerPage.open(browser);
  await viewer.page.route("**/assets/worker.js*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: hook + await response.text() });
  });
  return viewer;
}

/** A mark on the page's global object that a reload would wipe. */
async function markPage(viewer: ViewerPage): Promise<() => Promise<void>> {
  await viewer.page.evaluate(() => Object.assign(globalThis, { neverReloaded: true }));
  return async () =>
    assert.ok(await viewer.page.evaluate(() => "neverReloaded" in globalThis), "page was reloaded");
}

for (const transport of ["webtransport", "websocket"]) {
  Deno.test(`recovery over ${transport}: the server is killed and started again`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const run = box.runId("restart");
    await TestProducer.start(box, planFor(run));
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRun(serve, run, { transport });
    const before = await viewer.untilMoving();
    const assertSamePage = await markPage(viewer);

    await serve.kill();
    await viewer.until("loss", ({ connection }) => connection.phase === "reconnecting");
    await viewer.page.locator('[data-state="reconnecting"]').waitFor();

    await Serve.start(box, { port: serve.ready.port });
    const after = await viewer.untilMoving();
    assert.notEqual(after.connection.instance, before.connection.instance);
    const saved = await viewer.savePng();
    assert.deepEqual(saved.rgb, cardRgb(SMALL_CARD, saved.frame));
    await assertSamePage();
  });
}

Deno.test("recovery: the producer is killed and started again", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("producer");
  const producer = await TestProducer.start(box, planFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  const before = await viewer.untilMoving(20);
  const assertSamePage = await markPage(viewer);

  await producer.kill();
  await viewer.until("end of the run", ({ stream }) => stream!.phase === "ended");
  await viewer.page.locator('[data-state="ended"]').waitFor();
  // The last picture is kept, and can still be saved.
  const last = await viewer.savePng();
  assert.deepEqual(last.rgb, cardRgb(SMALL_CARD, last.frame));

  await TestProducer.start(box, planFor(run));
  const after = await viewer.until(
    "the new run's picture",
    ({ stream, picture }) => stream!.phase === "live" && picture!.frame < last.frame,
  );
  assert.notEqual(after.stream!.epoch, before.stream!.epoch);
  await viewer.untilMoving();
  await assertSamePage();
});

Deno.test("recovery: a page that waits for a run gets its picture when it begins", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("later");
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await viewer.page.locator('[data-state="waiting"]').waitFor();
  await TestProducer.start(box, planFor(run));
  await viewer.untilMoving();
  assert.equal(await viewer.page.locator(".stage .notice").count(), 0);
});

Deno.test("recovery: a lost WebGL context comes back with the picture", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("context");
  await TestProducer.start(box, planFor(run));
  // Keeps the worker's own context within the test's reach.
  const viewer = await openHooked(
    box,
    `{
      const getContext = OffscreenCanvas.prototype.getContext;
      OffscreenCanvas.prototype.getContext = function (...args) {
        const context = getContext.apply(this, args);
        if (args[0] === "webgl2") {
          globalThis.testLoss = context.getExtension("WEBGL_lose_context");
        }
        return context;
      };
    }`,
  );
  await viewer.visitRun(serve, run, { renderer: "webgl" });
  await viewer.untilMoving();
  const worker = viewer.page.workers()[0]!;
  type Hooked = { testLoss: WEBGL_lose_context };
  await worker.evaluate(() => (globalThis as unknown as Hooked).testLoss.loseContext());
  await viewer.until("a lost context", ({ renderer }) => renderer!.contextLost);
  await worker.evaluate(() => (globalThis as unknown as Hooked).testLoss.restoreContext());
  await viewer.until("the context", ({ renderer }) => !renderer!.contextLost);
  await viewer.untilMoving();
  const saved = await viewer.savePng();
  assert.deepEqual(saved.rgb, cardRgb(SMALL_CARD, saved.frame));
});

Deno.test("recovery: a worker that cannot begin is told on the page, with its reason", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("nodevice");
  await TestProducer.start(box, planFor(run));
  const flags = ["--disable-gpu", "--disable-software-rasterizer"];
  const viewer = await ViewerPage.open(await launchBrowser(box, flags));
  await viewer.visitRun(serve, run, { renderer: "webgl" });
  const notice = viewer.page.locator('[data-state="broken"]');
  await notice.waitFor();
  assert.match(await notice.innerText(), /gives no WebGL 2 context/);
});

Deno.test("recovery: a browser whose decoders all fail gets JPEG, and the page says why", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("undecodable");
  await TestProducer.start(box, videoPlanFor(run));
  const viewer = await openHooked(
    box,
    `globalThis.VideoDecoder = class extends VideoDecoder {
      #error;
      constructor(init) {
        super(init);
        this.#error = init.error;
      }
      decode() {
        queueMicrotask(() => {
          this.close();
          this.#error(new DOMException("out of order", "EncodingError"));
        });
      }
    };`,
  );
  await viewer.visitRun(serve, run);
  await viewer.until(
    "JPEG frames",
    ({ stream, counters }) => stream?.lane?.kind === "jpeg" && counters.shown > 5,
  );
  const note = viewer.page.locator("[data-note]");
  assert.equal(await note.innerText(), "JPEG: this browser has no H.264 decoder that works.");
});
