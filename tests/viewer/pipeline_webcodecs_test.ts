import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import type { DecodedFrame } from "../../viewer/decoded_frame.ts";
import { type DecoderPreference, WebCodecsPipeline } from "../../viewer/pipeline_webcodecs.ts";
import {
  decoderFactory,
  type FramePlan,
  KEY_UNIT,
  PictureDouble,
  receivedFrame,
  testTools,
} from "./doubles.ts";

function setUp(acceleration: HardwareAcceleration = "prefer-hardware") {
  const tools = testTools();
  const factory = decoderFactory();
  const preference: DecoderPreference = { acceleration };
  const pictures: number[] = [];
  const overlays: number[] = [];
  const done: number[] = [];
  const errors: string[] = [];
  const lost: string[] = [];
  let asked = 0;
  const openBefore = PictureDouble.open;
  const pipeline = new WebCodecsPipeline(
    tools,
    {
      onPicture({ header, overlay }: DecodedFrame) {
        pictures.push(header.frame);
        overlays.push(overlay.byteLength);
      },
      onDone: (frame) => done.push(frame),
      onError: (message) => errors.push(message),
      onKeyframeWanted: () => asked++,
      onLaneLost: (lane) => lost.push(lane),
    },
    factory,
    preference,
  );
  const push = (plan: FramePlan) =>
    pipeline.push(
      receivedFrame(tools.pool, { format: PixelFormat.H264, packet: plan.frame, ...plan }),
    );
  return {
    tools,
    preference,
    pictures,
    overlays,
    done,
    errors,
    lost,
    pipeline,
    push,
    decoders: factory.decoders,
    decoder: () => factory.decoders.at(-1)!,
    asked: () => asked,
    [Symbol.dispose]() {
      pipeline.close();
      assert.deepEqual([tools.leases.live, PictureDouble.open], [0, openBefore]);
    },
  };
}

Deno.test("webcodecs: the decoder is made as the keyframe says, for low latency", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true, width: 641 });
  assert.deepEqual(test.decoder().configs, [{
    codec: "avc1.42C00A",
    codedWidth: 642,
    codedHeight: 2,
    optimizeForLatency: true,
    hardwareAcceleration: "prefer-hardware",
  }]);
  assert.deepEqual([test.pipeline.codec, test.pipeline.acceleration], ["avc1.42C00A", "hardware"]);
});

Deno.test("webcodecs: each picture finds its frame again, with its overlay", () => {
  using test = setUp();
  test.push({ frame: 7, isKeyframe: true, overlay: true });
  test.push({ frame: 8 });
  assert.equal(test.pipeline.framesPending, 2);
  test.decoder().output();
  assert.deepEqual([test.pictures, test.overlays], [[7, 8], [6, 0]]);
  assert.deepEqual([test.pipeline.framesPending, test.decoder().decoded], [0, ["key", "delta"]]);
});

Deno.test("webcodecs: after a gap nothing is decoded until a keyframe, which is asked for", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  test.push({ frame: 2 });
  test.decoder().output();
  for (const frame of [4, 5, 6]) test.push({ frame });
  assert.deepEqual([test.asked(), test.done], [1, [4, 5, 6]]);
  // It does not come: it is asked for again.
  test.tools.clock.nowMs += 600;
  test.pipeline.tick(test.tools.clock.nowMs);
  assert.equal(test.asked(), 2);
  test.push({ frame: 9, isKeyframe: true });
  test.push({ frame: 10 });
  test.decoder().output();
  assert.deepEqual([test.pictures, test.decoders.length], [[1, 2, 9, 10], 1]);
  assert.deepEqual(test.tools.counters, { framesDropped: 3, restarts: 0, keyframeRequests: 2 });
});

Deno.test("webcodecs: an ack for a dropped frame waits for the older ones that are being decoded", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  test.push({ frame: 3 });
  assert.deepEqual(test.done, []);
  test.decoder().output();
  assert.deepEqual([test.pictures, test.done], [[1], [3]]);
});

Deno.test("webcodecs: another size or profile in mid-run configures the same decoder anew", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  test.push({ frame: 2, isKeyframe: true });
  assert.equal(test.decoder().configs.length, 1);
  test.push({ frame: 3, isKeyframe: true, width: 8 });
  const main = KEY_UNIT.slice();
  main[5] = 0x4d;
  test.push({ frame: 4, isKeyframe: true, width: 8, payload: main });
  test.decoder().output();
  assert.deepEqual(test.decoder().configs.map(({ codec, codedWidth }) => [codec, codedWidth]), [
    ["avc1.42C00A", 4],
    ["avc1.42C00A", 8],
    ["avc1.4DC00A", 8],
  ]);
  assert.deepEqual([test.pictures, test.decoders.length], [[1, 2, 3, 4], 1]);
});

Deno.test("webcodecs: a decoder that fails is replaced by one in software, which is remembered", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  test.push({ frame: 2 });
  test.decoder().fail("the device is gone");
  assert.match(test.errors[0]!, /the device is gone/);
  assert.deepEqual([test.asked(), test.done, test.tools.counters.restarts], [1, [2], 1]);
  test.push({ frame: 3 });
  test.push({ frame: 4, isKeyframe: true });
  test.decoder().output();
  assert.deepEqual([test.pictures, test.preference.acceleration], [[4], "prefer-software"]);
  assert.equal(test.pipeline.acceleration, "software");
  assert.equal(test.decoder().configs[0]!.hardwareAcceleration, "prefer-software");
});

Deno.test("webcodecs: when three decoders fail without a picture between them, the lane is given up", () => {
  using test = setUp();
  const failAfter = (pictures: number, frame: number) => {
    test.push({ frame, isKeyframe: true });
    test.decoder().output(pictures);
    test.decoder().fail("it never works");
  };
  for (const frame of [1, 2, 3, 4]) failAfter(1, frame);
  assert.deepEqual([test.pictures, test.lost], [[1, 2, 3, 4], []]);
  failAfter(0, 5);
  assert.deepEqual(test.lost, []);
  failAfter(0, 6);
  assert.deepEqual([test.lost, test.done.at(-1)], [["h264"], 6]);
});

Deno.test("webcodecs: hardware that gives a picture out only when the next goes in is left for software", () => {
  using test = setUp();
  const { clock } = test.tools;
  test.push({ frame: 1, isKeyframe: true });
  let frame = 1;
  while (test.preference.acceleration === "prefer-hardware" && frame < 100) {
    clock.nowMs += 33;
    test.push({ frame: ++frame });
    test.decoder().output(1);
  }
  assert.equal(frame, 9);
  assert.deepEqual([test.tools.counters.restarts, test.asked()], [1, 1]);
  assert.match(test.errors[0]!, /holds pictures back/);
});

Deno.test("webcodecs: hardware that is only now and then late stays in use", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  for (let frame = 2; frame <= 200; frame++) {
    test.tools.clock.nowMs += 33;
    test.push({ frame });
    if (frame % 6 === 0) test.decoder().output();
  }
  assert.deepEqual([test.preference.acceleration, test.tools.counters.restarts], [
    "prefer-hardware",
    0,
  ]);
});

Deno.test("webcodecs: a decoder that does not follow is spared until the next keyframe", () => {
  using test = setUp("no-preference");
  test.push({ frame: 1, isKeyframe: true });
  for (let frame = 2; frame <= 4; frame++) test.push({ frame });
  test.decoder().decodeQueueSize = 8;
  test.push({ frame: 5 });
  test.push({ frame: 6 });
  assert.deepEqual([test.decoder().decoded.length, test.asked()], [4, 1]);
  // Still behind when it comes: what is queued is given up.
  test.push({ frame: 7, isKeyframe: true });
  assert.deepEqual([test.decoders.length, test.decoders[0]!.state], [2, "closed"]);
  test.decoder().output();
  assert.deepEqual([test.pictures, test.tools.counters.framesDropped], [[7], 6]);
});

Deno.test("webcodecs: a decoder that swallows pictures owes few, and is replaced", () => {
  using test = setUp("no-preference");
  test.push({ frame: 1, isKeyframe: true });
  for (let frame = 2; frame <= 40; frame++) test.push({ frame });
  assert.deepEqual([test.tools.counters.restarts, test.pipeline.framesPending], [1, 0]);
  assert.match(test.errors[0]!, /swallows pictures/);
});

Deno.test("webcodecs: a picture that the decoder leaves out is not waited for", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true, overlay: true });
  test.push({ frame: 2 });
  test.push({ frame: 3 });
  test.decoder().queue.splice(0, 1);
  test.decoder().output(1);
  assert.deepEqual([test.pictures, test.pipeline.framesPending], [[2], 1]);
  assert.equal(test.tools.counters.framesDropped, 1);
});

Deno.test("webcodecs: a kick gives up what stands still and goes on with a keyframe", () => {
  using test = setUp();
  test.pipeline.kick();
  assert.equal(test.tools.counters.restarts, 0);
  test.push({ frame: 1, isKeyframe: true });
  test.pipeline.kick();
  assert.deepEqual([test.done, test.asked(), test.pipeline.framesPending], [[1], 1, 0]);
  test.push({ frame: 2, isKeyframe: true });
  test.decoder().output();
  assert.deepEqual([test.pictures, test.tools.counters.restarts], [[2], 1]);
});

Deno.test("webcodecs: a kick leaves a decoder alone that owes nothing, while a keyframe is missed", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  test.decoder().output();
  test.push({ frame: 2, packet: 3 });
  test.pipeline.kick();
  assert.deepEqual([test.tools.counters.restarts, test.asked()], [0, 1]);
  assert.equal(test.preference.acceleration, "prefer-hardware");
});

Deno.test("webcodecs: a decoder that the browser takes back was not at fault, and is missed with the next frame", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  test.decoder().output();
  test.decoder().fail("it was idle", "QuotaExceededError");
  test.pipeline.tick(test.tools.clock.nowMs + 60_000);
  assert.deepEqual([test.asked(), test.errors, test.tools.counters.restarts], [0, [], 0]);
  test.push({ frame: 2 });
  assert.deepEqual([test.asked(), test.done], [1, [2]]);
  test.push({ frame: 3, isKeyframe: true });
  test.decoder().output();
  assert.deepEqual([test.pictures, test.decoders.length], [[1, 3], 2]);
  assert.equal(test.decoder().configs[0]!.hardwareAcceleration, "prefer-hardware");
});

Deno.test("webcodecs: keyframes that are none and refused configurations are errors, not ends", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true, payload: Uint8Array.of(0, 0, 1, 0x41, 9) });
  assert.match(test.errors[0]!, /frame 1 is damaged/);
  test.push({ frame: 2, isKeyframe: true });
  test.decoder().configure = () => {
    throw new TypeError("no such codec");
  };
  test.push({ frame: 3, isKeyframe: true, width: 64 });
  assert.match(test.errors[1]!, /no such codec/);
  test.push({ frame: 4 });
  test.push({ frame: 5, isKeyframe: true });
  test.decoder().output();
  assert.deepEqual([test.pictures, test.done], [[2, 5], [1, 4]]);
});

Deno.test("webcodecs: another subscription gets nothing of the one before", () => {
  using test = setUp();
  test.push({ frame: 1, isKeyframe: true });
  const late = test.decoder();
  const timestamp = late.queue[0]!;
  test.pipeline.restart();
  late.init.output(new PictureDouble(timestamp) as unknown as VideoFrame);
  test.push({ frame: 1, packet: 2 });
  assert.deepEqual(test.pictures, []);
  test.push({ frame: 2, packet: 1, isKeyframe: true });
  test.decoder().output();
  assert.deepEqual(test.pictures, [2]);
});
