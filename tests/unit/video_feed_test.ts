import assert from "node:assert/strict";
import { LeftFrames } from "../../core/left_frames.ts";
import { Metrics } from "../../core/metrics.ts";
import { PACKETS_IN_FLIGHT_MAX } from "../../core/pacer.ts";
import { Subscription, type SubscriptionSettings } from "../../core/subscription.ts";
import { VideoFeed } from "../../core/video_feed.ts";
import { VideoOutput } from "../../ffi/stream.ts";
import { type FrameHeader, type LaneKind, PixelFormat } from "../../proto/wire.ts";
import { MemoryLane } from "../harness/memory_lane.ts";
import { MemoryStream } from "../harness/memory_stream.ts";

const NS_PER_MS = 1_000_000n;
const WOKEN_NS = 1n;

/** A feed with a clock and a timer that the test moves. */
class Box implements Disposable {
  readonly stream = new MemoryStream();
  readonly metrics = new Metrics();
  readonly feed: VideoFeed;
  readonly viewers: Viewer[];
  nowMs = 10_000;
  packets = 0;
  sizes: string[] = [];

  constructor(...viewers: Viewer[]) {
    this.viewers = viewers;
    this.feed = new VideoFeed({
      open: (settings) => {
        this.stream.settings.push(settings);
        return { stream: this.stream, [Symbol.dispose]: () => this.stream[Symbol.dispose]() };
      },
      clockNs: () => BigInt(this.nowMs) * NS_PER_MS,
      metrics: this.metrics.forRun("run"),
      encoder: 0,
      gopMs: 0,
      passed: false,
      onSize: (width, height) => void this.sizes.push(`${width}x${height}`),
      onTimer: () => {},
    }, this.#subscriptions());
  }

  #subscriptions(): Subscription[] {
    return this.viewers.map(({ subscription }) => subscription);
  }

  /** The stream makes a packet of the next frame, and the hub tells of it. */
  make(keyframe = false, format: number = PixelFormat.H264): void {
    this.packets++;
    this.stream.push({ frame: this.packets, packet: this.packets, keyframe, format });
    this.feed.pump(WOKEN_NS);
  }

  follow(): void {
    this.feed.follow(this.#subscriptions());
  }

  [Symbol.dispose](): void {
    this.feed[Symbol.dispose]();
  }
}

class Viewer {
  readonly lane = new MemoryLane();
  readonly subscription: Subscription;

  constructor(kind: LaneKind = "h264", settings: Partial<SubscriptionSettings> = {}) {
    const base = { fpsMax: 0, everyNth: 1, stayLive: true, lane: "auto", accepts: [] } as const;
    const left = new LeftFrames(() => {});
    this.subscription = new Subscription(this.lane, left, 1, { ...base, ...settings });
    this.subscription.lane = { kind, why: "" };
  }

  get packets(): number[] {
    return this.lane.frames.map(({ packet }) => packet);
  }

  get lastHeader(): FrameHeader {
    return this.lane.frames.at(-1)!;
  }

  ackAll(): void {
    this.subscription.pacer.acked(this.subscription.pacer.lastFrame);
  }
}

/** Lets writes end. */
const written = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("video feed: a new viewer is sent a keyframe first, and its stream's stamps", async () => {
  const viewer = new Viewer();
  using box = new Box(viewer);
  box.make();
  assert.deepEqual(viewer.packets, []);
  box.make(true);
  box.make();
  await written();
  assert.deepEqual(viewer.packets, [2, 3]);
  const { tWokenNs, tEncodedNs, tSentNs } = viewer.lastHeader;
  assert.deepEqual([tWokenNs, tEncodedNs, tSentNs], [11n, 12n, 10_000n * NS_PER_MS]);
});

Deno.test("video feed: packets that come together are all sent, one after the other", async () => {
  const viewer = new Viewer();
  using box = new Box(viewer);
  for (let packet = 1; packet <= 3; packet++) {
    box.stream.push({ frame: packet, packet, keyframe: packet === 1 });
  }
  box.feed.pump(WOKEN_NS);
  assert.deepEqual(viewer.packets, [1], "the transport takes one at a time");
  await written();
  assert.deepEqual(viewer.packets, [1, 2, 3]);
});

Deno.test("video feed: a single viewer that is slow costs no keyframe: nothing is made for it", async () => {
  const viewer = new Viewer();
  using box = new Box(viewer);
  box.make(true);
  for (let more = 0; more < PACKETS_IN_FLIGHT_MAX + 2; more++) {
    box.make();
    await written();
  }
  assert.equal(viewer.packets.length, PACKETS_IN_FLIGHT_MAX);
  assert.equal(box.stream.last.outputs, 0);
  viewer.ackAll();
  box.feed.pump(WOKEN_NS);
  await written();
  assert.equal(box.stream.last.outputs, VideoOutput.H264);
  assert.deepEqual(viewer.packets, Array.from(viewer.packets, (_, index) => index + 1));
  assert.equal(viewer.packets.length, box.packets);
  assert.deepEqual(box.stream.requests, []);
});

Deno.test("video feed: one that misses a packet is never sent a delta first, and delays nobody", async () => {
  const slow = new Viewer();
  const quick = new Viewer();
  using box = new Box(slow, quick);
  box.make(true);
  for (let more = 0; more < 20; more++) {
    box.make();
    await written();
    quick.ackAll();
  }
  assert.equal(quick.packets.length, 21);
  assert.equal(slow.packets.length, PACKETS_IN_FLIGHT_MAX);
  assert.deepEqual(box.stream.requests, [], "no keyframe for one that cannot take it");
  box.nowMs += 1000;
  slow.ackAll();
  box.make();
  await written();
  assert.equal(slow.packets.length, PACKETS_IN_FLIGHT_MAX);
  assert.deepEqual(box.stream.requests, [VideoOutput.H264]);
  box.make(true);
  box.make();
  await written();
  assert.deepEqual(slow.packets.slice(PACKETS_IN_FLIGHT_MAX), [23, 24]);
  assert.deepEqual(slow.lastHeader.framesSkipped, 22 - PACKETS_IN_FLIGHT_MAX);
});

Deno.test("video feed: a decoder that lost the thread gets a keyframe, at most four a second", () => {
  const viewer = new Viewer();
  using box = new Box(viewer);
  box.make(true);
  for (let ms = 0; ms < 2000; ms += 50, box.nowMs += 50) {
    const requestsBefore = box.stream.requests.length;
    box.feed.onKeyframeRequest(viewer.subscription);
    box.make(box.stream.requests.length > requestsBefore);
    viewer.ackAll();
  }
  assert.equal(box.stream.requests.length, 7, "the first came with the stream's start");
});

Deno.test("video feed: the same frame as a keyframe again shows a still run to who comes late", async () => {
  const first = new Viewer();
  using box = new Box(first);
  box.make(true);
  box.nowMs += 5000;
  box.viewers.push(new Viewer());
  box.follow();
  assert.deepEqual(box.stream.requests, [VideoOutput.H264]);
  box.stream.push({ frame: 1, packet: 2, keyframe: true });
  box.feed.pump(WOKEN_NS);
  await written();
  assert.deepEqual(box.viewers.map(({ packets }) => packets), [[1, 2], [2]]);
  assert.equal(first.lastHeader.framesSkipped, 0);
});

Deno.test("video feed: JPEG viewers get JPEGs, each at its own cap", async () => {
  const video = new Viewer("h264");
  const pictures = new Viewer("jpeg");
  const third = new Viewer("jpeg", { everyNth: 3 });
  using box = new Box(video, pictures, third);
  assert.equal(box.stream.last.outputs, VideoOutput.H264 | VideoOutput.Jpeg);
  for (let packet = 1; packet <= 6; packet++) {
    box.stream.push({ frame: packet, packet, keyframe: packet === 1 });
    box.stream.push({ frame: packet, packet, format: PixelFormat.Jpeg });
    box.feed.pump(WOKEN_NS);
    await written();
    for (const viewer of box.viewers) viewer.ackAll();
  }
  assert.deepEqual([video.lastHeader.format, pictures.lastHeader.format], [16, 17]);
  assert.deepEqual(video.packets, pictures.packets);
  assert.deepEqual(third.packets, [1, 4]);
});

Deno.test("video feed: the stream makes what the viewer wants that wants most", () => {
  const slow = new Viewer("h264", { fpsMax: 10, everyNth: 4, stayLive: false });
  const fast = new Viewer("h264", { fpsMax: 25, everyNth: 2 });
  using box = new Box(slow, fast);
  const { intervalMinNs, everyNth, inOrder } = box.stream.last;
  assert.deepEqual([intervalMinNs, everyNth, inOrder], [40e6, 2, false]);
  box.viewers.pop();
  box.follow();
  assert.deepEqual([box.stream.last.intervalMinNs, box.stream.last.inOrder], [100e6, true]);
});

Deno.test("video feed: a viewer whose acks come later and later is sent fewer bits, and more again", async () => {
  const viewer = new Viewer();
  using box = new Box(viewer);
  box.feed.readStatus();
  const play = async (seconds: number, delayMs: number) => {
    for (let ms = 0; ms < seconds * 1000; ms += 100, box.nowMs += 100) {
      box.make(box.packets === 0);
      await written();
      viewer.ackAll();
      viewer.subscription.meter.acked(delayMs * 1e6, box.nowMs * 1e6);
      box.feed.onTick();
    }
  };
  await play(2, 20);
  assert.equal(box.stream.last.bitrateKbps, 0);
  await play(2, 300);
  const lowKbps = box.stream.last.bitrateKbps;
  assert(lowKbps > 0 && lowKbps < 1200, `${lowKbps}`);
  await play(40, 20);
  assert.equal(box.stream.last.bitrateKbps, 0);
});

Deno.test("video feed: at the end what is left goes out, acked or not", async () => {
  const viewer = new Viewer();
  using box = new Box(viewer);
  box.make(true);
  for (let more = 0; more < PACKETS_IN_FLIGHT_MAX; more++) box.make();
  box.feed.finish();
  await written();
  assert.equal(viewer.packets.at(-1), box.packets);
});

Deno.test("video feed: packets that grow find room, and the size is told", async () => {
  const viewer = new Viewer();
  using box = new Box(viewer);
  const bytes = 300_000;
  box.stream.push({ frame: 1, packet: 1, keyframe: true });
  box.stream.push({ frame: 2, packet: 2, keyframe: true, side: 640, payloadBytes: bytes });
  box.feed.pump(WOKEN_NS);
  await written();
  assert.deepEqual(viewer.lane.pixels, new Uint8Array(bytes).fill(2));
  assert.deepEqual(box.sizes, ["320x320", "640x640"]);
});

Deno.test("video feed: what the stream did is counted once, and to its end", async () => {
  using box = new Box(new Viewer());
  box.stream.status = { ...box.stream.status, packets: 3, encodeNs: 5e8 };
  box.feed.readStatus();
  box.feed.readStatus();
  box.stream.status = { ...box.stream.status, packets: 5 };
  box.feed[Symbol.dispose]();
  assert(box.stream.closed);
  const text = await box.metrics.text();
  assert.match(text, /telebridge_stream_packets_total\{run="run"\} 5\n/);
  assert.match(text, /telebridge_stream_encode_seconds_total\{run="run"\} 0\.5\n/);
});

Deno.test("video feed: JPEG viewers with different caps all see the picture after which the run stands still", async () => {
  const [quick, slow] = [new Viewer("jpeg"), new Viewer("jpeg", { fpsMax: 5 })];
  using box = new Box(quick, slow);
  for (let frame = 1; frame <= 3; frame++) {
    box.make(false, PixelFormat.Jpeg);
    await written();
    box.nowMs += 33;
  }
  assert.deepEqual([quick.packets, slow.packets], [[1, 2, 3], [1]]);
  assert.deepEqual(box.stream.requests, [], "a newer one may come in time");
  box.nowMs += 300;
  box.feed.pump(WOKEN_NS);
  assert.deepEqual(box.stream.requests, [VideoOutput.Jpeg]);
  box.stream.push({ frame: 3, packet: 4, format: PixelFormat.Jpeg });
  box.feed.pump(WOKEN_NS);
  await written();
  assert.deepEqual([quick.packets, slow.packets], [[1, 2, 3], [1, 4]]);
  box.nowMs += 1000;
  box.feed.pump(WOKEN_NS);
  assert.equal(box.stream.requests.length, 1, "nobody misses anything");
});
