/** What a person sees and saves is, pixel by pixel, what the worker published: each format, lane and renderer. */

import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import { formatName } from "../../viewer/pixels.ts";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { cardRgb, type TestCard } from "../harness/test_card.ts";

/** Odd sizes and padded rows on purpose; NV12's pairs need an even stride. */
const CARDS: TestCard[] = [
  { format: PixelFormat.Rgb8, width: 161, height: 121, paddingBytes: 5 },
  { format: PixelFormat.Rgba8, width: 160, height: 120, paddingBytes: 0 },
  { format: PixelFormat.Bgra8, width: 161, height: 120, paddingBytes: 12 },
  { format: PixelFormat.Gray8, width: 163, height: 121, paddingBytes: 0 },
  { format: PixelFormat.Nv12, width: 161, height: 121, paddingBytes: 3 },
  { format: PixelFormat.I420, width: 161, height: 121, paddingBytes: 0 },
];
/** Rounding of the conversion; RGB, RGBA, BGRA and grey are exact. */
const YUV_LEVELS_MAX = 2;

const LANES = [
  { transport: "webtransport", renderer: "2d" },
  { transport: "websocket", renderer: "webgl" },
  { transport: "webtransport", renderer: "webgl" },
  { transport: "websocket", renderer: "2d" },
];

function assertShows(card: TestCard, frame: number, rgb: Uint8Array): void {
  const expected = cardRgb(card, frame);
  assert.equal(rgb.byteLength, expected.byteLength);
  const yuv = card.format === PixelFormat.Nv12 || card.format === PixelFormat.I420;
  const levelsMax = yuv ? YUV_LEVELS_MAX : 0;
  const wrong = rgb.findIndex((value, at) => Math.abs(value - expected[at]!) > levelsMax);
  if (wrong < 0) return;
  const pixel = Math.floor(wrong / 3);
  const [x, y] = [pixel % card.width, Math.floor(pixel / card.width)];
  assert.fail(
    `${formatName(card.format)} frame ${frame} at ${x}, ${y}: channel ${wrong % 3} is ${
      rgb[wrong]
    }, published ${expected[wrong]}`,
  );
}

for (const { transport, renderer } of LANES) {
  Deno.test(`pixels over ${transport} by ${renderer}: every format as published`, async () => {
    await using box = await TestBox.create();
    const serve = await Serve.start(box);
    const browser = await launchBrowser(box);
    const viewer = await ViewerPage.open(browser);
    for (const card of CARDS) {
      const run = box.runId("pixels");
      const producer = await TestProducer.start(
        box,
        planFor(run, { card, framesPerSecond: 20, overlay: { width: 5, height: 4, heat: 200 } }),
      );
      await viewer.visitRun(serve, run, { transport, renderer });
      const snapshot = await viewer.untilMoving();
      assert.equal(snapshot.connection.transport, transport);
      assert.equal(snapshot.renderer?.kind, renderer);
      assert.equal(await viewer.hud("format"), formatName(card.format));
      assert.equal(await viewer.hud("size"), `${card.width} × ${card.height}`);
      const saved = await viewer.savePng();
      assert.deepEqual([saved.width, saved.height], [card.width, card.height]);
      assertShows(card, saved.frame, saved.rgb);
      await producer.stop();
    }
  });
}
