/** What one viewer can do to a stream, to the others who watch it, and to the server. */

import assert from "node:assert/strict";
import { PACKETS_IN_FLIGHT_MAX } from "../../core/pacer.ts";
import {
  type Display,
  encodeBinary,
  encodeDisplay,
  FRAME_KEYFRAME,
  type LaneKind,
  MessageType,
  PixelFormat,
  type StreamState,
  type Subscribe,
} from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { openLibrary } from "../harness/library.ts";
import { LiveClient, type LiveFrame } from "../harness/live_client.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { cardPixels, type TestCard } from "../harness/test_card.ts";
import { waitFor } from "../harness/wait.ts";

const CARD: TestCard = { format: PixelFormat.Rgb8, width: 320, height: 240, paddingBytes: 0 };
const ALL: LaneKind[] = ["raw", "h264", "jpeg"];
const NS_PER_S = 1e9;
/** Those that the stream's thread has made when it is asked: four that wait, and the one that it is at. */
const PACKETS_MADE_MAX = 5;

async function watch(
  box: TestBox,
  serve: Serve,
  run: string,
  settings: Partial<Subscribe> = {},
  token = serve.ready.token,
): Promise<LiveClient> {
  const client = await LiveClient.open(box, serve, "websocket", token);
  client.subscribe(1, run, { accepts: ALL, ...settings });
  return client;
}

function isKeyframe({ header }: LiveFrame): boolean {
  return (header.flags & FRAME_KEYFRAME) !== 0;
}

const requestKeyframe = () => encodeBinary(MessageType.KeyframeRequest, 1, new Uint8Array());

async function metrics(serve: Serve): Promise<string> {
  return await (await serve.fetch("/metrics")).text();
}

Deno.test("video harm: who lost the thread goes on with a keyframe made for it, at once and without a GOP", async () => {
  await using box = await TestBox.create();
  const run = box.runId("thread");
  await TestProducer.start(box, planFor(run, { card: CARD, framesPerSecond: 40 }));
  const serve = await Serve.start(box);
  const client = await watch(box, serve, run);
  await client.framesCount(20);
  const before = await client.probe();
  client.send(requestKeyframe());
  const after = await client.probe();
  await client.framesCount(after.framesCount + 20);
  const keyframes = client.frames.filter(isKeyframe);
  assert.equal(keyframes.length, 2, "the first of all, and the one that was asked for");
  const index = client.frames.indexOf(keyframes[1]!);
  assert(index >= before.framesCount, "it was there before it was asked for");
  assert(index <= after.framesCount, "a packet came that cannot be decoded");
  const { packet, tWokenNs } = keyframes[1]!.header;
  assert(tWokenNs > before.tServerNs, "a picture from before the request");
  const missed = packet - client.frames[index - 1]!.header.packet - 1;
  assert(missed <= PACKETS_MADE_MAX, `${missed} packets were passed over`);
});

Deno.test("video harm: who was behind goes on, with its first ack, at a keyframe made for it", async () => {
  await using box = await TestBox.create();
  const run = box.runId("behind");
  await TestProducer.start(box, planFor(run, { card: CARD, framesPerSecond: 40 }));
  const serve = await Serve.start(box);
  const quick = await watch(box, serve, run);
  const slow = await watch(box, serve, run);
  await slow.framesCount(5);
  slow.acks = false;
  await quick.framesCount(quick.frames.length + 60);
  const stoodAt = slow.frames.length;
  const before = await slow.probe();
  slow.acks = true;
  slow.ack(1, slow.frames.at(-1)!.header.frame);
  const after = await slow.probe();
  await slow.framesCount(stoodAt + 10);
  const { header } = slow.frames[stoodAt]!;
  assert(isKeyframe(slow.frames[stoodAt]!));
  assert(header.tWokenNs > before.tServerNs, "a picture from before the ack");
  const newestNs = after.tServerNs;
  const missed = quick.frames.filter(({ header: { packet, tWokenNs } }) =>
    tWokenNs > newestNs && packet < header.packet
  );
  assert(missed.length <= PACKETS_MADE_MAX, `${missed.length} packets were passed over`);
});

Deno.test("video harm: the ring's rate is capped for a viewer that cannot follow, and let go when it can", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("cap");
  using library = openLibrary();
  using producer = library.openProducer(run, 2 ** 20);
  const card = { ...CARD, width: 64, height: 48 };
  const serve = await Serve.start(box);
  const slow = await watch(box, serve, run, { lane: "h264" });
  slow.acks = false;
  let published = 0;
  const publish = () => {
    published++;
    const { width, height, format } = card;
    producer.publish({ pixels: cardPixels(card, published), width, height, format });
  };
  // It takes six frames twice a second, of a hundred: far from a quarter of them, and never none for a second.
  const ackNow = () => {
    const last = slow.frames.at(-1);
    if (!slow.acks && last !== undefined) slow.ack(1, last.header.frame);
  };
  const timers = [setInterval(publish, 8), setInterval(ackNow, 500)];
  const capMhz = () => producer.controls().rateMaxMhz;
  try {
    const { lane } = await slow.stateWhere("a cap", (state) => state.lane?.rateMaxHz != null);
    await waitFor("the cap in the ring", () => capMhz() > 0);
    assert(lane!.rateMaxHz! >= 5 && lane!.rateMaxHz! < 125, `${lane!.rateMaxHz} Hz`);
    const others = await watch(box, serve, run, { lane: "raw" });
    await others.stateWhere("the cap", (state) => state.lane?.rateMaxHz != null);
    others.close();
    slow.acks = true;
    slow.ack(1, slow.frames.at(-1)!.header.frame);
    await slow.stateWhere(
      "no cap",
      (state) => state.lane !== null && state.lane.rateMaxHz === null,
    );
    await waitFor("no cap in the ring", () => capMhz() === 0);
    slow.acks = false;
    await slow.stateWhere("another cap", (state) => state.lane?.rateMaxHz != null);
    await waitFor("the cap in the ring", () => capMhz() > 0);
    slow.close();
    await waitFor("no cap in the ring", () => capMhz() === 0);
  } finally {
    timers.forEach(clearInterval);
  }
});

Deno.test("video harm: a flood of keyframe requests makes four a second at most, and costs nobody a packet", async () => {
  await using box = await TestBox.create();
  const run = box.runId("storm");
  await TestProducer.start(box, planFor(run, { card: CARD, framesPerSecond: 40 }));
  const serve = await Serve.start(box, { args: ["--view-token"] });
  const quick = await watch(box, serve, run);
  await quick.framesCount(5);
  const hostile = await watch(box, serve, run, {}, serve.ready.viewToken!);
  const timer = setInterval(() => {
    for (let request = 0; request < 20; request++) hostile.send(requestKeyframe());
  }, 5);
  try {
    const from = quick.frames.length;
    await quick.framesCount(from + 160);
    const seen = quick.frames.slice(from);
    const [first, last] = [seen[0]!.header, seen.at(-1)!.header];
    const seconds = Number(last.tWokenNs - first.tWokenNs) / NS_PER_S;
    const keyframes = seen.filter(isKeyframe).length;
    assert(keyframes >= 2, "nobody asked");
    assert(keyframes <= 4 * seconds + 2, `${keyframes} keyframes in ${seconds} s`);
    assert.equal(last.packet - first.packet, seen.length - 1, "a packet was missed");
  } finally {
    clearInterval(timer);
  }
});

Deno.test("video harm: lanes toggled two hundred times leave one stream, and a chain that can be decoded", async () => {
  await using box = await TestBox.create();
  const run = box.runId("toggles");
  await TestProducer.start(box, planFor(run, { card: CARD }));
  const serve = await Serve.start(box);
  const client = await watch(box, serve, run);
  await client.framesCount(5);
  const lanes: LaneKind[] = ["raw", "h264", "jpeg", "h264"];
  for (let toggle = 0; toggle < 200; toggle++) {
    client.subscribe(1, run, { accepts: ALL, lane: lanes[toggle % lanes.length]! });
  }
  const { framesCount } = await client.probe();
  await client.framesCount(framesCount + 40);
  const chain = client.frames.slice(framesCount).filter(({ header }) =>
    header.format === PixelFormat.H264
  );
  const start = chain.findIndex(isKeyframe);
  assert(start >= 0 && start <= PACKETS_IN_FLIGHT_MAX, "no keyframe came");
  // What a busy machine makes a viewer miss ends with a keyframe.
  chain.slice(start + 1).forEach((frame, index) => {
    const expected = chain[start + index]!.header.packet + 1;
    if (!isKeyframe(frame)) assert.equal(frame.header.packet, expected);
  });
  const encoders = await metrics(serve);
  assert.equal(encoders.match(/telebridge_stream_info\{/g)?.length, 1);
  const made = /telebridge_stream_keyframes_total\{.*\} (\d+)/.exec(encoders)![1];
  assert(Number(made) < 50, `${made} keyframes were made`);
});

const absurd: Display[] = [
  { phaseMs: NaN, periodMs: 16, leadMs: 5 },
  { phaseMs: -1, periodMs: 16, leadMs: 5 },
  { phaseMs: 1000, periodMs: 1e-300, leadMs: 5 },
  { phaseMs: 1000, periodMs: 16, leadMs: Infinity },
];

Deno.test("video harm: displays with absurd times end their session, and one that is slow slows nobody", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("absurd");
  await TestProducer.start(box, planFor(run, { card: CARD, framesPerSecond: 40 }));
  const serve = await Serve.start(box, { args: ["--view-token"] });
  using library = openLibrary();
  const slow = await watch(box, serve, run, {}, serve.ready.viewToken!);
  const quick = await watch(box, serve, run);
  for (const display of absurd) {
    const bad = await watch(box, serve, run);
    bad.send(encodeDisplay(1, display));
    await bad.ended();
    assert.match(bad.bye!.reason, /out of range/);
  }
  const timer = setInterval(() => {
    const phaseMs = Number(library.clockMonoNs()) / 1e6;
    slow.send(encodeDisplay(1, { phaseMs, periodMs: 1000, leadMs: 0 }));
  }, 100);
  try {
    await quick.framesCount(quick.frames.length + 80);
    const { header: first } = quick.frames.at(-60)!;
    const { header: last } = quick.frames.at(-1)!;
    const sampledHz = 59 * NS_PER_S / Number(last.tWokenNs - first.tWokenNs);
    assert(last.frame - first.frame < 59 * 20, `sampled at ${sampledHz} Hz`);
    const { lane } = slow.last<StreamState>(MessageType.State)!;
    assert.equal(lane!.phaseLocked, false);
  } finally {
    clearInterval(timer);
  }
});

Deno.test("video harm: a flood of reports counts as few, and those of runs that are not there not at all", async () => {
  await using box = await TestBox.create();
  const run = box.runId("reports");
  await TestProducer.start(box, planFor(run, { card: CARD }));
  const serve = await Serve.start(box);
  const client = await watch(box, serve, run);
  client.subscribe(2, "never-there", { accepts: ALL });
  await client.framesCount(1);
  const from = await client.probe();
  for (let report = 0; report < 1000; report++) {
    client.report(1, { framesShown: 1 });
    client.report(2, { framesShown: 1 });
  }
  const until = await client.probe();
  const seconds = Number(until.tServerNs - from.tServerNs) / NS_PER_S;
  const text = await metrics(serve);
  const shown = Number(/telebridge_viewer_frames_shown_total\{run=".*"\} (\d+)/.exec(text)![1]);
  assert(shown >= 1 && shown <= 2 * seconds + 1, `${shown} reports counted in ${seconds} s`);
  assert(!/frames_shown_total\{run="never-there"/.test(text), "a row that nobody forgets");
});

Deno.test("video harm: /metrics forgets a run's stream with its end, and the run when it is not listed any more", async () => {
  await using box = await TestBox.create();
  box.enter();
  const serve = await Serve.start(box);
  using library = openLibrary();
  const run = box.runId("forgotten");
  const client = await LiveClient.open(box, serve);
  {
    using producer = library.openProducer(run, 2 ** 20);
    const { width, height, format } = CARD;
    producer.publish({ pixels: cardPixels(CARD, 1), width, height, format });
    client.subscribe(1, run, { accepts: ALL });
    await client.framesCount(1);
    client.report(1, { framesShown: 3, latencyP99Ms: 20 });
    await waitFor("its stream", async () => {
      const text = await metrics(serve);
      return text.includes(`telebridge_stream_info{run="${run}"`) &&
        text.includes(`telebridge_viewer_frames_shown_total{run="${run}"} 3`);
    });
  }
  await client.state("ended");
  client.send(encodeBinary(MessageType.Unsubscribe, 1, new Uint8Array()));
  const lines = async (name: string) =>
    (await metrics(serve)).split("\n").filter((line) =>
      line.startsWith(`telebridge_${name}`) && line.includes(`run="${run}"`)
    );
  await waitFor("no stream", async () => (await lines("stream_info")).length === 0);
  assert.equal((await lines("viewer_frames_shown")).length, 1, "an ended run is listed");
  // The server lists fifty runs that have ended.
  for (let other = 0; other < 50; other++) {
    const id = box.runId(`other${other}`);
    using _producer = library.openProducer(id, 2 ** 12);
    await waitFor("the run", () => client.runs.some((one) => one.id === id));
  }
  await waitFor("nothing of it", async () => (await lines("")).length === 0);
});
