import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import type { PipelineSink } from "../../viewer/pipeline.ts";
import { JpegPipeline } from "../../viewer/pipeline_jpeg.ts";
import { RawPipeline } from "../../viewer/pipeline_raw.ts";
import { WebCodecsPipeline } from "../../viewer/pipeline_webcodecs.ts";
import { SourceMux } from "../../viewer/source_mux.ts";
import {
  BitmapDecoderDouble,
  decoderFactory,
  type FramePlan,
  receivedFrame,
  testTools,
} from "./doubles.ts";

const GRACE_MS = 2_000;

function setUp() {
  const tools = testTools();
  const factory = decoderFactory();
  const bitmaps = new BitmapDecoderDouble();
  const pictures: number[] = [];
  const errors: string[] = [];
  let asked = 0;
  const mux = new SourceMux(
    {
      raw: (sink: PipelineSink) => new RawPipeline(tools, sink),
      jpeg: (sink: PipelineSink) => new JpegPipeline(tools, sink, bitmaps.decode, () => true),
      h264: (sink: PipelineSink) =>
        new WebCodecsPipeline(tools, sink, factory, { acceleration: "no-preference" }),
    },
    {
      onPicture: ({ header }) => pictures.push(header.frame),
      onDone() {},
      onError: (message) => errors.push(message),
      onKeyframeWanted: () => asked++,
      onLaneLost: () => assert.fail("no decoder fails here"),
    },
    tools.nowMs,
  );
  const push = (plan: FramePlan) => mux.push(receivedFrame(tools.pool, plan));
  const h264 = (frame: number, isKeyframe = false) =>
    push({ frame, packet: frame, isKeyframe, format: PixelFormat.H264 });
  const pass = (ms: number) => mux.tick(tools.clock.nowMs += ms);
  return {
    tools,
    pictures,
    errors,
    bitmaps,
    mux,
    push,
    h264,
    pass,
    asked: () => asked,
    decoders: factory.decoders,
    [Symbol.dispose]() {
      mux.close();
      assert.equal(tools.leases.live, 0);
    },
  };
}

Deno.test("source mux: each format goes its way", async () => {
  using test = setUp();
  assert.equal(test.mux.active, null);
  test.push({ frame: 1 });
  assert.deepEqual([test.mux.active!.lane, test.mux.active!.codec], ["raw", ""]);
  test.h264(2, true);
  test.decoders[0]!.output();
  assert.deepEqual([test.mux.active!.lane, test.mux.active!.codec], ["h264", "avc1.42C00A"]);
  test.push({ frame: 3, format: PixelFormat.Jpeg });
  await test.bitmaps.output();
  assert.deepEqual([test.mux.active!.lane, test.mux.active!.codec], ["jpeg", "jpeg"]);
  assert.deepEqual(test.pictures, [1, 2, 3]);
});

Deno.test("source mux: a pipeline stays warm until another has given a picture, and for a while", () => {
  using test = setUp();
  test.push({ frame: 1 });
  test.h264(2, true);
  test.pass(10 * GRACE_MS);
  assert.equal(test.mux.pipelinesOpen, 2);
  test.decoders[0]!.output();
  test.pass(GRACE_MS - 1);
  assert.equal(test.mux.pipelinesOpen, 2);
  test.pass(1);
  assert.deepEqual([test.mux.pipelinesOpen, test.mux.active!.lane], [1, "h264"]);
});

Deno.test("source mux: a run whose size wavers keeps its decoder", () => {
  using test = setUp();
  for (let frame = 1; frame <= 20; frame += 2) {
    test.h264(frame, true);
    test.decoders[0]!.output();
    test.push({ frame: frame + 1 });
    test.pass(GRACE_MS / 2);
  }
  assert.deepEqual([test.decoders.length, test.mux.pipelinesOpen], [1, 2]);
  assert.equal(test.pictures.length, 20);
  test.pass(GRACE_MS);
  assert.deepEqual([test.decoders[0]!.state, test.mux.pipelinesOpen], ["closed", 1]);
});

Deno.test("source mux: what the old pipeline gives out late does not take the picture back", () => {
  using test = setUp();
  test.h264(1, true);
  test.h264(2);
  test.decoders[0]!.output(1);
  test.push({ frame: 3 });
  test.decoders[0]!.output(1);
  assert.deepEqual([test.pictures, test.mux.framesOvertaken], [[1, 3], 1]);
});

Deno.test("source mux: a keyframe that repeats a frame is shown; one of a new producer too", () => {
  using test = setUp();
  test.push({ frame: 7, tMonoNs: 100n });
  test.push({ frame: 7, tMonoNs: 100n });
  test.push({ frame: 6, tMonoNs: 90n });
  // Numbers begin anew before the news of it: the clock has gone on.
  test.push({ frame: 1, tMonoNs: 200n });
  // The old one's last picture was still being decoded.
  test.push({ frame: 8, tMonoNs: 110n });
  test.mux.forgetPosition();
  test.push({ frame: 1, tMonoNs: 10n });
  assert.deepEqual([test.pictures, test.mux.framesOvertaken], [[7, 7, 1, 1], 2]);
});

Deno.test("source mux: only the pipeline in use asks for keyframes", () => {
  using test = setUp();
  test.h264(5);
  assert.equal(test.asked(), 1);
  test.push({ frame: 6, width: 400 });
  test.pass(1_000);
  assert.equal(test.asked(), 1);
  test.h264(7);
  assert.equal(test.asked(), 2);
});

Deno.test("source mux: a raw picture that its payload does not hold is damaged, and its buffer is used again", () => {
  using test = setUp();
  for (let frame = 1; frame <= 10; frame++) test.push({ frame, width: 400 });
  assert.match(test.errors[0]!, /frame 1 is damaged: 400 × 2/);
  test.push({ frame: 11, width: 0 });
  test.push({ frame: 12, format: 9 });
  assert.match(test.errors[11]!, /cannot draw format 9/);
  assert.deepEqual([test.pictures, test.tools.counters.framesDropped], [[], 12]);
  assert.equal(test.tools.pool.buffersMade, 1);
});
