import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import type { DecodedFrame } from "../../viewer/decoded_frame.ts";
import { JpegPipeline } from "../../viewer/pipeline_jpeg.ts";
import {
  BitmapDecoderDouble,
  type FramePlan,
  PictureDouble,
  receivedFrame,
  testTools,
} from "./doubles.ts";

function setUp(newestWins = true) {
  const tools = testTools();
  const bitmaps = new BitmapDecoderDouble();
  const pictures: number[] = [];
  const overlays: number[] = [];
  const done: number[] = [];
  const errors: string[] = [];
  const openBefore = PictureDouble.open;
  const pipeline = new JpegPipeline(
    tools,
    {
      onPicture({ header, overlay }: DecodedFrame) {
        pictures.push(header.frame);
        overlays.push(overlay.byteLength);
      },
      onDone: (frame) => done.push(frame),
      onError: (message) => errors.push(message),
      onKeyframeWanted: () => assert.fail("each JPEG is a keyframe"),
      onLaneLost: () => assert.fail("there is no other lane"),
    },
    bitmaps.decode,
    () => newestWins,
  );
  const push = (plan: FramePlan) =>
    pipeline.push(receivedFrame(tools.pool, { format: PixelFormat.Jpeg, ...plan }));
  return {
    tools,
    bitmaps,
    pictures,
    overlays,
    done,
    errors,
    pipeline,
    push,
    [Symbol.dispose]() {
      pipeline.close();
      assert.deepEqual([tools.leases.live, PictureDouble.open], [0, openBefore]);
    },
  };
}

Deno.test("jpeg: one is decoded at a time, and of those that come meanwhile the newest waits", async () => {
  using test = setUp();
  for (const frame of [1, 2, 3, 4]) test.push({ frame, overlay: frame === 4 });
  assert.deepEqual([test.bitmaps.begun, test.pipeline.framesPending], [1, 2]);
  await test.bitmaps.output();
  await test.bitmaps.output();
  assert.deepEqual([test.pictures, test.overlays], [[1, 4], [0, 6]]);
  assert.deepEqual([test.tools.counters.framesDropped, test.pipeline.framesPending], [2, 0]);
});

Deno.test("jpeg: where every frame counts all of the server's few are decoded, and no more are kept", async () => {
  using test = setUp(false);
  for (let frame = 1; frame <= 6; frame++) test.push({ frame });
  for (let frame = 1; frame <= 6; frame++) await test.bitmaps.output();
  assert.deepEqual(test.pictures, [1, 2, 3, 4, 5, 6]);
  for (let frame = 7; frame <= 50; frame++) test.push({ frame });
  assert.equal(test.pipeline.framesPending, 9);
  while (test.bitmaps.busy) await test.bitmaps.output();
  assert.deepEqual(test.pictures.slice(6), [7, 43, 44, 45, 46, 47, 48, 49, 50]);
});

Deno.test("jpeg: a damaged picture is an error, and the next one is decoded", async () => {
  using test = setUp();
  test.push({ frame: 1 });
  test.push({ frame: 2 });
  await test.bitmaps.fail("no image");
  await test.bitmaps.output();
  assert.deepEqual([test.errors, test.done], [["frame 1 is damaged: no image"], [1]]);
  assert.deepEqual(test.pictures, [2]);
});

Deno.test("jpeg: another subscription gets nothing of the one before, however late it comes", async () => {
  using test = setUp();
  test.push({ frame: 8 });
  test.push({ frame: 9 });
  test.pipeline.restart();
  test.push({ frame: 1 });
  await test.bitmaps.output();
  await test.bitmaps.output();
  assert.deepEqual(test.pictures, [1]);
});

Deno.test("jpeg: a kick goes on with what waits", async () => {
  using test = setUp();
  test.pipeline.kick();
  test.push({ frame: 1 });
  test.push({ frame: 2 });
  test.pipeline.kick();
  await test.bitmaps.output();
  await test.bitmaps.output();
  assert.deepEqual([test.pictures, test.tools.counters.restarts], [[2], 1]);
});
