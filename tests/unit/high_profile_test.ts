/** Producers choose their profile: of Main and High OpenH264's decoder would keep a picture back. */

import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import { decodeJpeg, encodedCard, isKeyframe } from "../harness/ffmpeg.ts";
import { openLibrary } from "../harness/library.ts";

const WIDTH = 320;
const HEIGHT = 180;
const UNITS = 35;
const GOP = 10;

Deno.test("high profile: snapshots and watchdogs see its pictures", async () => {
  const units = await encodedCard(WIDTH, HEIGHT, UNITS, "veryfast");
  const name = `high-${crypto.randomUUID().slice(0, 8)}`;
  using library = openLibrary();
  using producer = library.openProducer(name, 64 * 1024);
  for (const pixels of units) {
    const keyframe = isKeyframe(pixels);
    producer.publish({ pixels, width: WIDTH, height: HEIGHT, format: PixelFormat.H264, keyframe });
  }
  using reader = library.openReader(name);
  const stats = await library.pictureStats(reader, 0, 0);
  assert.deepEqual([stats?.frame, stats?.width, stats?.height], [2 * GOP, WIDTH, HEIGHT]);
  assert(stats!.lumaMax > 200 && stats!.lumaMin < 20);

  const jpeg = new Uint8Array(256 * 1024);
  const bytes = await library.snapshot(reader, 90, 0, jpeg);
  assert.equal((await decodeJpeg(jpeg.subarray(0, bytes))).byteLength, WIDTH * HEIGHT * 3);
});
