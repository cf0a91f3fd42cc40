import assert from "node:assert/strict";
import type { Channel } from "../../core/channel.ts";
import { LeftFrames } from "../../core/left_frames.ts";
import { Subscription } from "../../core/subscription.ts";
import { TelebridgeError } from "../../ffi/errors.ts";
import type { Producer } from "../../ffi/producer.ts";
import { VideoOutput } from "../../ffi/stream.ts";
import { type LaneKind, MessageType, PixelFormat, type StreamState } from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { MemoryLane } from "../harness/memory_lane.ts";
import { MemoryStream } from "../harness/memory_stream.ts";
import { ServerCore } from "../harness/server_core.ts";
import { sleep, waitFor } from "../harness/wait.ts";

const ALL: LaneKind[] = ["raw", "h264", "jpeg"];
const LARGE_SIDE = 300;

function publish(producer: Producer, side = LARGE_SIDE): void {
  const pixels = new Uint8Array(side * side);
  producer.publish({ pixels, width: side, height: side, format: PixelFormat.Gray8 });
}

/** A real ring with streams in memory, one viewer, and its channel. */
class Desk implements AsyncDisposable {
  readonly lane = new MemoryLane();
  /** In the order in which they were opened. */
  readonly streams: MemoryStream[] = [];
  readonly subscription: Subscription;
  readonly channel: Channel;

  private constructor(
    readonly box: TestBox,
    readonly core: ServerCore,
    readonly producer: Producer,
    run: string,
    accepts: LaneKind[],
    open: () => MemoryStream,
  ) {
    this.core.library.openStream = (_hub, _id, _reader, _controller, settings) => {
      const stream = open();
      stream.settings.push(settings);
      this.streams.push(stream);
      // deno-lint-ignore no-explicit-any -- the class has private parts that nobody outside of it needs
      return stream as any;
    };
    const settings = { fpsMax: 0, everyNth: 1, stayLive: true, lane: "auto", accepts } as const;
    this.subscription = new Subscription(this.lane, new LeftFrames(() => {}), 1, settings);
    this.channel = core.channels.subscribe(run, this.subscription);
  }

  static async create(
    accepts = ALL,
    open: () => MemoryStream = () => new MemoryStream(),
  ): Promise<Desk> {
    const box = await TestBox.create();
    const core = ServerCore.create(box);
    const run = box.runId("desk");
    const producer = core.library.openProducer(run, 2 ** 20);
    publish(producer);
    await waitFor("the run", () => core.registry.get(run));
    return new Desk(box, core, producer, run, accepts, open);
  }

  get stream(): MemoryStream {
    return this.streams.at(-1)!;
  }

  /** The server gives an idle stream back after a while. */
  async streamClosed(): Promise<void> {
    const { stream } = this;
    await waitFor("the stream's end", () => stream.closed);
  }

  get state(): StreamState {
    return this.lane.last<StreamState>(MessageType.State)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.core.channels.unsubscribe(this.channel, this.subscription);
    this.producer[Symbol.dispose]();
    await this.core[Symbol.asyncDispose]();
    await this.box[Symbol.asyncDispose]();
  }
}

Deno.test("lane desk: where no encoder works, viewers go to JPEG, and are told why", async () => {
  await using desk = await Desk.create();
  assert.equal(desk.state.lane!.kind, "h264");
  desk.stream.status.note = "x264: out of memory";
  desk.channel.onNoEncoder(VideoOutput.H264);
  assert.deepEqual([desk.state.lane!.kind, desk.state.lane!.why], ["jpeg", "x264: out of memory"]);
  assert.equal(desk.streams.length, 1, "the stream goes on");
  assert.equal(desk.stream.last.outputs, VideoOutput.Jpeg);
});

Deno.test("lane desk: another size is another chance", async () => {
  await using desk = await Desk.create();
  desk.channel.onNoEncoder(VideoOutput.H264);
  assert.equal(desk.state.lane!.kind, "jpeg");
  desk.stream.push({ frame: 1, packet: 1, format: PixelFormat.Jpeg, side: 400 });
  desk.channel.onPackets(1n);
  assert.equal(desk.stream.last.outputs, VideoOutput.H264);
});

Deno.test("lane desk: without WebCodecs and JPEG a run whose encoders fail goes raw", async () => {
  await using desk = await Desk.create(["raw", "h264"]);
  desk.channel.onNoEncoder(VideoOutput.H264);
  assert.equal(desk.state.lane!.kind, "raw");
  assert.equal((await desk.lane.frame(1)).format, PixelFormat.Gray8);
  await desk.streamClosed();
});

Deno.test("lane desk: where neither H.264 nor JPEG can be made, everybody goes raw", async () => {
  await using desk = await Desk.create();
  desk.channel.onNoEncoder(VideoOutput.H264 | VideoOutput.Jpeg);
  assert.equal(desk.state.lane!.kind, "raw");
  assert.equal((await desk.lane.frame(1)).format, PixelFormat.Gray8);
});

Deno.test("lane desk: a stream that cannot be started leaves the run raw", async () => {
  await using desk = await Desk.create(ALL, () => {
    throw new TelebridgeError(24, "cannot start a stream: too many open files");
  });
  assert.match(desk.state.lane!.why, /too many open files/);
  assert.equal((await desk.lane.frame(1)).format, PixelFormat.Gray8);
});

Deno.test("lane desk: the worker is controlled while a stream has the controller, and after", async () => {
  await using desk = await Desk.create();
  assert(desk.state.controllable);
  assert(desk.producer.controls().controllerAlive);
  desk.channel.configure(desk.subscription, { ...desk.subscription.settings, lane: "raw" });
  await desk.streamClosed();
  assert(desk.producer.controls().controllerAlive);
  publish(desk.producer);
  await desk.lane.frame(2);
});

Deno.test("lane desk: a stream of a run that another program controlled gets control when it is free", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("taken");
  using producer = core.library.openProducer(run, 2 ** 20);
  publish(producer);
  using reader = core.library.openReader(run);
  const other = core.library.openController(reader);
  const viewer = core.viewer().subscribe(1, run, { accepts: ALL });
  await viewer.lane.frame(1);
  assert.equal(viewer.lane.last<StreamState>(MessageType.State)!.controllable, false);
  other[Symbol.dispose]();
  await waitFor("control", () => viewer.lane.last<StreamState>(MessageType.State)!.controllable);
  publish(producer);
  await viewer.lane.frame(2);
  const firsts = viewer.lane.frames.filter(({ packet, flags }) => packet === 1 && flags === 1);
  assert.equal(firsts.length, 2, "the stream began anew, with a keyframe");
  await sleep(2_500); // longer than a lease
  assert(producer.controls().controllerAlive);
});

Deno.test("lane desk: a viewer that goes takes the stream along", async () => {
  await using desk = await Desk.create();
  desk.core.channels.unsubscribe(desk.channel, desk.subscription);
  assert.equal(desk.stream.last.outputs, 0, "nothing is made for nobody");
  await desk.streamClosed();
  await waitFor("nobody in control", () => !desk.producer.controls().controllerAlive);
});

Deno.test("lane desk: a viewer that goes from lane to lane keeps its stream, and begins with a keyframe", async () => {
  await using desk = await Desk.create();
  const toggle = (lane: "raw" | "h264") =>
    desk.channel.configure(desk.subscription, { ...desk.subscription.settings, lane });
  for (let times = 1; times <= 100; times++) {
    toggle("raw");
    toggle("h264");
  }
  assert.equal(desk.streams.length, 1);
  toggle("raw");
  desk.stream.push({ frame: 7, packet: 1, keyframe: true });
  toggle("h264");
  assert.equal(desk.stream.queue.length, 0, "what was made for nobody is thrown away");
  desk.stream.push({ frame: 8, packet: 2 });
  desk.stream.push({ frame: 9, packet: 3, keyframe: true });
  desk.channel.onPackets(1n);
  const packets = () => desk.lane.frames.filter(({ format }) => format === PixelFormat.H264);
  await waitFor("a packet", () => packets().length > 0);
  assert.deepEqual(packets().map(({ packet }) => packet), [3]);
});
