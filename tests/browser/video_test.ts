/** The video lanes as a person sees them: real encoders, a real server, a real browser's decoder, its pixels. */

import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import type { LaneKind } from "../../proto/wire.ts";
import { AgentProcess } from "../harness/agent.ts";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, type SavedFrame, type Snapshot, ViewerPage } from "../harness/browser.ts";
import { decodeJpeg, psnrDb } from "../harness/ffmpeg.ts";
import { LiveClient } from "../harness/live_client.ts";
import { planFor, SMALL_CARD, videoPlanFor } from "../harness/plans.ts";
import { ENCODED_FRAMES, TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { cardRgb } from "../harness/test_card.ts";
import { barCodeOf, barCodePoints, readBarCode, videoCardRgb } from "../harness/video_card.ts";
import { sleep } from "../harness/wait.ts";

/** What an encoder and chroma at half the size may take from the card. Above 30 dB pictures look alike. */
const PSNR_MIN_DB = 36;
const CARD = { width: 1280, height: 720, scene: "moving" } as const;

/** Waits until frames come by that lane. */
function untilLane(viewer: ViewerPage, lane: LaneKind): Promise<Snapshot> {
  return viewer.until(
    `frames by ${lane}`,
    ({ stream, decoding, counters }) =>
      stream?.lane?.kind === lane && counters.shown > 0 && (decoding !== null) === (lane !== "raw"),
  );
}

/** The saved frame shows what was published under its number. */
function assertShows(saved: SavedFrame, card: { width: number; height: number } = CARD): void {
  const { width, height, rgb, frame } = saved;
  assert.deepEqual([width, height], [card.width, card.height]);
  assert.equal(readBarCode(rgb, width, height), frame, "the bar code and the frame's number");
  const psnr = psnrDb(rgb, videoCardRgb({ width, height, scene: "moving" }, frame));
  assert(psnr >= PSNR_MIN_DB, `frame ${frame}: ${psnr.toFixed(1)} dB`);
}

/** Bar codes of what the page showed, one each animation frame for so long, read from its own canvas. */
async function watchBarCodes(viewer: ViewerPage, ms: number): Promise<(number | null)[]> {
  const points = barCodePoints(CARD.width, CARD.height);
  const shots = await viewer.page.evaluate(async ({ ms, points }) => {
    const canvas = document.querySelector("canvas")!;
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = copy.getContext("2d", { willReadFrequently: true })!;
    const shots: number[][] = [];
    for (const endMs = performance.now() + ms; performance.now() < endMs;) {
      await new Promise(requestAnimationFrame);
      context.drawImage(canvas, 0, 0);
      shots.push(points.map(([x, y]) => context.getImageData(x, y, 1, 1).data[1]!));
    }
    return shots;
  }, { ms, points });
  return shots.map(barCodeOf);
}

for (const encoder of ["openh264", "x264"] as const) {
  Deno.test(`video: 1280 × 720 by ${encoder}: the pixels are the card's, and never go backwards`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box, { args: [`--encoder=${encoder}`] });
    const run = box.runId(encoder);
    await TestProducer.start(box, videoPlanFor(run));
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRun(serve, run);
    const { stream, decoding } = await untilLane(viewer, "h264");
    assert.match(stream!.lane!.encoder!, new RegExp(encoder, "i"));
    assert.match(decoding!.codec, /^avc1\.[0-9A-F]{6}$/);
    await viewer.untilMoving(5);
    for (let shot = 0; shot < 3; shot++) assertShows(await viewer.savePng());

    const codes = await watchBarCodes(viewer, 3_000);
    assert(codes.every((code) => code !== null), `${codes.length} shots, not all whole`);
    const numbers = codes as number[];
    numbers.forEach((number, at) => assert(at === 0 || number >= numbers[at - 1]!, "backwards"));
    assert(new Set(numbers).size >= 10, `${new Set(numbers).size} frames seen in 3 s`);

    const { latency, health } = (await viewer.snapshot())!;
    assert(latency.encode!.p50Ms > 0 && latency.decode!.p50Ms > 0);
    assert.equal(health.warning, null);
    await viewer.untilHud("lane", "H.264");
    assert.match(await viewer.hud("encoder"), new RegExp(encoder, "i"));
  });
}

Deno.test("video: a headless agent's picture is shown, each under its own number", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("agent");
  AgentProcess.start(box, "--run", run, "--width=640", "--height=360");
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await untilLane(viewer, "h264");
  await viewer.untilMoving(5);
  for (let shot = 0; shot < 2; shot++) {
    const { width, height, rgb, frame } = await viewer.savePng();
    assert.deepEqual([width, height], [640, 360]);
    assert.equal(readBarCode(rgb, width, height), frame);
  }
});

Deno.test("video: a page that slept while others watched goes on with a keyframe, nothing wrong is shown", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("stretch");
  await TestProducer.start(box, videoPlanFor(run));
  // Keeps the encoder going, so that what the page does not take is lost to it.
  const other = await LiveClient.open(box, serve);
  other.subscribe(1, run, { accepts: ["raw", "h264"] });
  const browser = await launchBrowser(box);
  const viewer = await ViewerPage.open(browser);
  await viewer.visitRun(serve, run);
  await untilLane(viewer, "h264");
  await viewer.untilMoving(5);
  const keyframes = () => other.frames.filter(({ header }) => (header.flags & 1) !== 0).length;
  const keyframesBefore = keyframes();

  const pids = await rendererPids(browser);
  for (const pid of pids) Deno.kill(pid, "SIGSTOP");
  await sleep(2_500);
  const stoppedAt = other.frames.at(-1)!.header;
  for (const pid of pids) Deno.kill(pid, "SIGCONT");

  await viewer.until("a new picture", ({ picture }) => picture!.frame > stoppedAt.frame);
  await viewer.untilMoving(5);
  assertShows(await viewer.savePng());
  assert(keyframes() > keyframesBefore, "no keyframe was made");
  // A chain that was broken could not have come to the other viewer whole either.
  const packets = other.frames.map(({ header }) => header.packet);
  packets.forEach((packet, at) => assert(at === 0 || packet === packets[at - 1]! + 1));
});

/** Processes that draw pages. */
async function rendererPids(browser: Browser): Promise<number[]> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

Deno.test("video: the size changes in mid-run, also to an odd one", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  for (const [width, height] of [[641, 479], [1280, 720]] as const) {
    const run = box.runId("resize");
    const from = { width: width === 1280 ? 640 : 1280, height: 720 };
    const resized = { fromFrame: 60, width, height };
    await TestProducer.start(box, videoPlanFor(run, { ...from, resized }));
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRun(serve, run);
    await untilLane(viewer, "h264");
    assertShows(await viewer.savePng(), from);
    await viewer.until("the other size", ({ picture }) => picture!.width === width);
    await viewer.untilMoving(5);
    assertShows(await viewer.savePng(), { width, height });
    assert.equal((await viewer.snapshot())!.stream!.lane!.kind, "h264");
    await viewer.close();
  }
});

Deno.test("video: on an insecure origin JPEG by the WebSocket, and the page says why", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--allow-host=box.test"] });
  const run = box.runId("insecure");
  await TestProducer.start(box, videoPlanFor(run));
  const browser = await launchBrowser(box, ["--host-resolver-rules=MAP box.test 127.0.0.1"]);
  const open = async (query: Record<string, string>) => {
    const viewer = await ViewerPage.open(browser);
    const address = serve.address(`/runs/${run}`, query);
    await viewer.page.goto(address.replace("127.0.0.1", "box.test"));
    return viewer;
  };
  const viewer = await open({});
  const { connection } = await untilLane(viewer, "jpeg");
  assert.equal(connection.transport, "websocket");
  assert.equal(await viewer.page.evaluate(() => isSecureContext), false);
  assertShows(await viewer.savePng());
  await viewer.untilHud("lane", "JPEG");
  assert.match(await viewer.page.locator("[data-note]").innerText(), /no WebCodecs.*not secure/);
  await viewer.close();

  const forced = await open({ lane: "h264" });
  await untilLane(forced, "jpeg");
  assert.match(
    await forced.page.locator("[data-note]").innerText(),
    /H\.264 was asked for.*JPEG.*WebCodecs/,
  );
});

Deno.test("video: a run that publishes H.264 itself is shown as it is, as JPEG, and as a snapshot", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("own");
  const card = { width: 640, height: 360, scene: "moving" } as const;
  await TestProducer.start(box, videoPlanFor(run, { ...card, encoded: true }));
  const cardFrame = (frame: number) => (frame - 1) % ENCODED_FRAMES + 1;
  const assertShown = ({ rgb, frame, width, height }: SavedFrame) => {
    assert.equal(readBarCode(rgb, width, height), cardFrame(frame));
    const psnr = psnrDb(rgb, videoCardRgb(card, cardFrame(frame)));
    assert(psnr >= PSNR_MIN_DB, `${psnr.toFixed(1)} dB`);
  };
  const browser = await launchBrowser(box);
  for (const lane of ["h264", "jpeg"] as const) {
    const viewer = await ViewerPage.open(browser);
    await viewer.visitRun(serve, run, lane === "h264" ? {} : { lane });
    await untilLane(viewer, lane);
    await viewer.untilMoving(5);
    assertShown(await viewer.savePng());
    await viewer.close();
  }
  const snapshot = await serve.fetch(`/runs/${run}/frame.jpg?quality=95`);
  assert.equal(snapshot.status, 200);
  const rgb = await decodeJpeg(new Uint8Array(await snapshot.arrayBuffer()));
  const shown = readBarCode(rgb, card.width, card.height)!;
  assert(psnrDb(rgb, videoCardRgb(card, shown)) >= PSNR_MIN_DB);
});

Deno.test("video: a lane can be forced by the address and by the knob, in mid-run", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("forced");
  await TestProducer.start(box, videoPlanFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run, { lane: "raw" });
  await untilLane(viewer, "raw");
  const raw = await viewer.savePng();
  assert.deepEqual(raw.rgb, videoCardRgb(CARD, raw.frame), "raw is lossless");
  for (const lane of ["jpeg", "h264", "raw", "h264"] as const) {
    await viewer.page.locator(`input[name="lane"][value="${lane}"]`).check({ force: true });
    await untilLane(viewer, lane);
    await viewer.untilMoving(5);
    assertShows(await viewer.savePng());
  }

  const small = box.runId("small");
  await TestProducer.start(box, planFor(small));
  await viewer.visitRun(serve, small);
  await untilLane(viewer, "raw");
  await viewer.page.locator('input[name="lane"][value="h264"]').check({ force: true });
  await untilLane(viewer, "h264");
  const saved = await viewer.savePng();
  assert.equal(saved.rgb.length, cardRgb(SMALL_CARD, saved.frame).length);
});

Deno.test("video: with a latency every frame is that late, and looks as it should", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("latency");
  await TestProducer.start(box, videoPlanFor(run));
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, run);
  await untilLane(viewer, "h264");
  await viewer.page.locator('input[name="latency"]').fill("400");
  await viewer.untilHud("latency-knob", "400 ms");
  await viewer.until(
    "frames of 400 ms",
    ({ latency }) => latency.total !== null && latency.total.nowMs >= 399,
  );
  assertShows(await viewer.savePng());
  await viewer.page.reload();
  await viewer.untilHud("latency-knob", "400 ms");
});

// A copy of a WebGL canvas that is taken too late is black.
for (const [scene, renderer] of [["still", "webgl"], ["black", "2d"]] as const) {
  Deno.test(`video: a ${scene} picture under new frames is warned of by ${renderer}, and a pause is not`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const run = box.runId(scene);
    const video = { width: 640, height: 360, scene } as const;
    await TestProducer.start(box, videoPlanFor(run, video, { gated: true }));
    const viewer = await ViewerPage.open(await launchBrowser(box));
    await viewer.visitRun(serve, run, { renderer });
    const warning = scene === "still" ? "frozen" : "black";
    const banner = viewer.page.locator(`[data-warning="${warning}"]`);
    await banner.waitFor();
    const { health } = (await viewer.snapshot())!;
    assert.equal(health.warning, warning);
    assert(health.warningForMs >= 5_000);
    await viewer.page.keyboard.press("Space");
    await viewer.until("no warning", ({ health }) => health.warning === null);
    await banner.waitFor({ state: "hidden" });
    await viewer.page.keyboard.press("Space");
    await banner.waitFor();
    await banner.getByRole("button").click();
    await banner.waitFor({ state: "hidden" });
    assert.equal((await viewer.snapshot())!.health.warning, warning);
  });
}
