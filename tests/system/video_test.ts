import assert from "node:assert/strict";
import { PACKETS_IN_FLIGHT_MAX } from "../../core/pacer.ts";
import type { Producer } from "../../ffi/producer.ts";
import {
  encodeDisplay,
  FRAME_KEYFRAME,
  type LaneKind,
  PixelFormat,
  type Subscribe,
} from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import {
  decodeH264,
  decodeJpeg,
  encodedCard,
  firstPicture,
  isKeyframe,
  probeH264,
  psnrDb,
} from "../harness/ffmpeg.ts";
import { openLibrary } from "../harness/library.ts";
import { type LaneKind as Connection, LiveClient, type LiveFrame } from "../harness/live_client.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { processUsage } from "../harness/process_usage.ts";
import { Serve } from "../harness/serve.ts";
import { cardPixels, cardRgb, type TestCard } from "../harness/test_card.ts";
import { sleep, waitFor } from "../harness/wait.ts";

const CARD: TestCard = { format: PixelFormat.Rgb8, width: 320, height: 240, paddingBytes: 0 };
const ALL: LaneKind[] = ["raw", "h264", "jpeg"];
const NO_CODECS: LaneKind[] = ["raw", "jpeg"];
const PSNR_MIN_DB = 20;

async function watch(
  box: TestBox,
  serve: Serve,
  run: string,
  settings: Partial<Subscribe> = {},
  kind: Connection = "websocket",
): Promise<LiveClient> {
  const client = await LiveClient.open(box, serve, kind);
  client.subscribe(1, run, { accepts: ALL, ...settings });
  return client;
}

/** Each packet can be decoded after the one before it: a keyframe, or the next number. */
function assertChain(frames: LiveFrame[]): void {
  frames.forEach(({ header: { packet, flags, format } }, index) => {
    if ((flags & FRAME_KEYFRAME) !== 0) return;
    assert(index > 0, `the first is no keyframe but ${packet} of format ${format}`);
    assert.equal(packet, frames[index - 1]!.header.packet + 1, "a delta after a gap");
  });
}

async function threadsCount(pid: number, name: string): Promise<number> {
  let count = 0;
  for await (const { name: thread } of Deno.readDir(`/proc/${pid}/task`)) {
    const comm = await Deno.readTextFile(`/proc/${pid}/task/${thread}/comm`).catch(() => "");
    if (comm.trim() === name) count++;
  }
  return count;
}

async function metric(serve: Serve, line: RegExp): Promise<number> {
  const text = await (await serve.fetch("/metrics")).text();
  return Number(line.exec(text)?.[1] ?? NaN);
}

for (const [encoder, kind] of [["x264", "websocket"], ["openh264", "webtransport"]] as const) {
  Deno.test(`video, ${kind}: a stream of ${encoder} is decoded by ffmpeg and counted by ffprobe without a complaint`, async () => {
    await using box = await TestBox.create();
    const run = box.runId("peer");
    await TestProducer.start(box, planFor(run, { card: CARD }));
    const serve = await Serve.start(box, { args: [`--encoder=${encoder}`] });
    const client = await watch(box, serve, run, {}, kind);
    await client.framesCount(30);
    const frames = client.frames.slice(0, 30);
    assertChain(frames);
    assert.equal(frames[0]!.header.flags & FRAME_KEYFRAME, FRAME_KEYFRAME);
    const units = frames.map(({ payload }) => payload);
    const decoded = await decodeH264(units);
    assert.deepEqual(decoded, { frames: 30, sizes: ["320x240"], complaints: "" });
    const { stream, complaints } = await probeH264(units);
    assert.equal(complaints, "");
    assert.equal(stream.nb_read_frames, "30");
    assert.equal(stream.has_b_frames, 0);
    assert.match(String(stream.profile), /Baseline/);
    const { color_range, color_space, color_primaries, color_transfer } = stream;
    assert.equal(color_range, "tv");
    assert.deepEqual([color_space, color_primaries, color_transfer], Array(3).fill("bt709"));
    const db = psnrDb(await firstPicture(units), cardRgb(CARD, frames[0]!.header.frame));
    assert(db > PSNR_MIN_DB, `${db} dB`);
    const { tMonoNs, tWokenNs, tEncodedNs, tSentNs } = frames[9]!.header;
    assert(tMonoNs < tWokenNs && tWokenNs < tEncodedNs && tEncodedNs <= tSentNs);
    const state = await client.stateWhere("an encoder", ({ lane }) => lane?.encoder != null);
    assert.match(state.lane!.encoder!, new RegExp(encoder, "i"));
    assert.deepEqual([state.lane!.kind, state.lane!.why], ["h264", "a large picture"]);
  });
}

Deno.test("video: raw, H.264 and JPEG viewers of one run at once", async () => {
  await using box = await TestBox.create();
  const run = box.runId("lanes");
  await TestProducer.start(box, planFor(run, { card: CARD }));
  const serve = await Serve.start(box);
  const raw = await watch(box, serve, run, { lane: "raw" });
  const video = await watch(box, serve, run);
  const jpeg = await watch(box, serve, run, { accepts: NO_CODECS });
  for (const client of [raw, video, jpeg]) await client.framesCount(20);
  const formats = [raw, video, jpeg].map(({ frames }) => frames.at(-1)!.header.format);
  assert.deepEqual(formats, [PixelFormat.Rgb8, PixelFormat.H264, PixelFormat.Jpeg]);
  const last = raw.frames.at(-1)!;
  assert.deepEqual(last.payload.slice(0), cardPixels(CARD, last.header.frame));
  const picture = jpeg.frames.at(-1)!;
  const db = psnrDb(await decodeJpeg(picture.payload), cardRgb(CARD, picture.header.frame));
  assert(db > PSNR_MIN_DB, `${db} dB`);
  assert.match((await jpeg.state("live")).lane!.why, /no WebCodecs/);
  raw.close();
  jpeg.close();
  const seen = video.frames.length;
  await video.framesCount(seen + 20);
});

Deno.test("video: without a viewer of encoded frames there is no stream thread", async () => {
  await using box = await TestBox.create();
  const run = box.runId("idle");
  await TestProducer.start(box, planFor(run, { card: CARD }));
  const serve = await Serve.start(box);
  const streams = () => threadsCount(serve.pid, "tele-stream");
  const raw = await watch(box, serve, run, { lane: "raw" });
  await raw.framesCount(3);
  assert.equal(await streams(), 0);
  const video = await watch(box, serve, run);
  await video.framesCount(3);
  assert.equal(await streams(), 1);
  video.close();
  await waitFor("the thread's end", async () => await streams() === 0);
  const seen = raw.frames.length;
  await raw.framesCount(seen + 10);
});

Deno.test("video: a viewer that lost a stretch goes on with a keyframe, and costs no other a frame", async () => {
  await using box = await TestBox.create();
  const run = box.runId("stretch");
  await TestProducer.start(box, planFor(run, { card: CARD, framesPerSecond: 40 }));
  const serve = await Serve.start(box);
  const quick = await watch(box, serve, run);
  const slow = await watch(box, serve, run);
  await slow.framesCount(5);
  slow.acks = false;
  const acked = slow.frames.length;
  const before = (await processUsage(serve.pid)).residentBytes;
  const seen = quick.frames.length;
  await quick.framesCount(seen + 160);
  const lostFrom = slow.frames.length;
  assert(lostFrom <= acked + PACKETS_IN_FLIGHT_MAX, `${lostFrom - acked} came without acks`);
  const grown = (await processUsage(serve.pid)).residentBytes - before;
  assert(grown < 64 * 2 ** 20, `the server grew by ${Math.round(grown / 2 ** 20)} MiB`);
  slow.acks = true;
  slow.ack(1, slow.frames.at(-1)!.header.frame);
  await slow.framesCount(lostFrom + 10);
  assert.equal(slow.frames[lostFrom]!.header.flags & FRAME_KEYFRAME, FRAME_KEYFRAME);
  for (const client of [quick, slow]) assertChain(client.frames);
  const quickNumbers = quick.frames.slice(seen, seen + 150).map(({ header }) => header.packet);
  quickNumbers.forEach((packet, index) => assert.equal(packet, quickNumbers[0]! + index));
  assert.equal((await decodeH264(quick.frames.map(({ payload }) => payload))).complaints, "");
});

Deno.test("video: a viewer that comes while nothing moves sees the last picture", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("still");
  using library = openLibrary();
  using producer = library.openProducer(run, 2 ** 20);
  publish(producer, CARD, 1);
  const serve = await Serve.start(box);
  for (let viewers = 1; viewers <= 3; viewers++) {
    const client = await watch(box, serve, run, { accepts: viewers === 3 ? NO_CODECS : ALL });
    await client.framesCount(1);
    assert.equal(client.frames[0]!.header.frame, 1);
    if (viewers < 3) assertChain(client.frames);
  }
});

function publish(producer: Producer, card: TestCard, frame: number): void {
  const { width, height, format } = card;
  producer.publish({ pixels: cardPixels(card, frame), width, height, format, step: frame });
}

Deno.test("video: another size in mid-run, up and down to where frames go raw", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("resize");
  using library = openLibrary();
  using producer = library.openProducer(run, 2 ** 21);
  const serve = await Serve.start(box);
  const client = await watch(box, serve, run);
  const sizes = [[320, 240], [401, 301], [64, 48], [320, 240]] as const;
  let frame = 0;
  for (const [width, height] of sizes) {
    const card = { ...CARD, width, height };
    const seen = client.frames.length;
    while (client.frames.length < seen + 5) {
      publish(producer, card, ++frame);
      await sleep(40);
    }
    const { header } = client.frames.at(-1)!;
    assert.deepEqual([header.width, header.height], [width, height]);
  }
  const encoded = client.frames.filter(({ header }) => header.format === PixelFormat.H264);
  assertChain(encoded.filter(({ header }) => header.width > 64));
  const kinds = new Set(client.frames.map(({ header }) => `${header.width} ${header.format}`));
  assert(kinds.has("64 1"), [...kinds].join());
  const ofSize = (width: number) => encoded.filter(({ header }) => header.width === width);
  const odd = await decodeH264(ofSize(401).map(({ payload }) => payload));
  assert.deepEqual([odd.sizes, odd.complaints], [["402x302"], ""]);
});

Deno.test("video: forced lanes, and what stands in their way", async () => {
  await using box = await TestBox.create();
  const run = box.runId("forced");
  await TestProducer.start(box, planFor(run, { card: CARD }));
  const serve = await Serve.start(box, { args: ["--lane=jpeg"] });
  const client = await watch(box, serve, run);
  const lane = async (kind: LaneKind, why: RegExp) => {
    const state = await client.stateWhere(kind, (one) => one.lane?.kind === kind);
    assert.match(state.lane!.why, why);
    const from = client.frames.length;
    const format = { raw: PixelFormat.Rgb8, h264: PixelFormat.H264, jpeg: PixelFormat.Jpeg }[kind];
    const came = () => client.frames.slice(from).some(({ header }) => header.format === format);
    await waitFor(`frames of ${kind}`, came);
  };
  await lane("jpeg", /forced by --lane/);
  client.subscribe(1, run, { accepts: ALL, lane: "h264" });
  await lane("h264", /^forced$/);
  client.subscribe(1, run, { accepts: ALL, lane: "raw" });
  await lane("raw", /^forced$/);
  client.subscribe(1, run, { accepts: NO_CODECS, lane: "h264" });
  await lane("jpeg", /h264 was forced, but this page has no WebCodecs/);
});

Deno.test("video: frames are sampled when the display of the viewer asks for them", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("phase");
  using library = openLibrary();
  const card = { ...CARD, width: 64, height: 48 };
  await TestProducer.start(box, planFor(run, { card, framesPerSecond: 200 }));
  const serve = await Serve.start(box);
  const client = await watch(box, serve, run, { lane: "h264" });
  const periodMs = 40;
  const phaseMs = Number(library.clockMonoNs()) / 1e6;
  const tell = () => {
    const turns = Math.round((Number(library.clockMonoNs()) / 1e6 - phaseMs) / periodMs);
    client.send(encodeDisplay(1, { phaseMs: phaseMs + turns * periodMs, periodMs, leadMs: 10 }));
  };
  const timer = setInterval(tell, 500);
  try {
    await client.stateWhere("a phase lock", ({ lane }) => lane?.phaseLocked === true);
    const seen = client.frames.length;
    await client.framesCount(seen + 40);
    const lateMs = client.frames.slice(seen + 5).map(({ header }) => {
      const offMs = (Number(header.tWokenNs) / 1e6 - phaseMs + 10) % periodMs;
      return (offMs + periodMs) % periodMs;
    }).sort((a, b) => a - b);
    // The run's frames are 5 ms apart: a turn that began is taken by the frame that is there.
    const medianMs = lateMs[lateMs.length >> 1]!;
    assert(medianMs < 3, `sampled ${medianMs} ms after the display's turn`);
    const { header: first } = client.frames[seen + 5]!;
    const { header: last } = client.frames.at(-1)!;
    assert(last.framesSkipped - first.framesSkipped > 35 * 4, "every frame was sampled");
  } finally {
    clearInterval(timer);
  }
});

Deno.test("video: a run that publishes H.264 itself passes untouched, has its JPEG lane and snapshots", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("passed");
  using library = openLibrary();
  using producer = library.openProducer(run, 2 ** 20);
  const units = await encodedCard(320, 240, 50);
  const serve = await Serve.start(box);
  let published = 0;
  const publishNext = () => {
    const pixels = units[published++ % units.length]!;
    const keyframe = isKeyframe(pixels);
    producer.publish({ pixels, width: 320, height: 240, format: PixelFormat.H264, keyframe });
  };
  const timer = setInterval(publishNext, 40);
  try {
    const video = await watch(box, serve, run);
    const jpeg = await watch(box, serve, run, { accepts: NO_CODECS });
    await Promise.all([video.framesCount(25), jpeg.framesCount(10)]);
    assertChain(video.frames);
    for (const { header, payload } of video.frames) {
      assert.deepEqual(payload.slice(0), units[(header.frame - 1) % units.length]);
    }
    const { lane } = await video.state("live");
    assert.deepEqual([lane!.kind, lane!.encoder], ["h264", "the producer's own"]);
    assert.equal(jpeg.frames.at(-1)!.header.format, PixelFormat.Jpeg);
    const response = await serve.fetch(`/runs/${run}/frame.jpg`);
    assert.equal(response.status, 200);
    const picture = await decodeJpeg(new Uint8Array(await response.arrayBuffer()));
    assert.equal(picture.byteLength, 320 * 240 * 3);
    const shown = await decodeJpeg(jpeg.frames.at(-1)!.payload);
    assert(psnrDb(picture, shown) > PSNR_MIN_DB, "the snapshot shows something else");
  } finally {
    clearInterval(timer);
  }
});

Deno.test("video: the last frame of a run is seen, and the first of its next life", async () => {
  await using box = await TestBox.create();
  box.enter();
  const run = box.runId("lives");
  using library = openLibrary();
  const serve = await Serve.start(box);
  const client = await watch(box, serve, run);
  for (let life = 1; life <= 2; life++) {
    client.frames.length = 0;
    {
      using producer = library.openProducer(run, 2 ** 20);
      for (let frame = 1; frame <= 10; frame++) {
        await sleep(30);
        publish(producer, CARD, frame);
      }
    }
    await client.state("ended");
    await waitFor("the last frame", () => client.frames.at(-1)?.header.frame === 10, () => {
      return client.frames.at(-1)?.header.frame;
    });
    assertChain(client.frames);
  }
  await serve.stop();
});

Deno.test("video: /metrics tells what a stream costs, and what viewers see", async () => {
  await using box = await TestBox.create();
  const run = box.runId("metrics");
  await TestProducer.start(box, planFor(run, { card: CARD }));
  const serve = await Serve.start(box);
  const client = await watch(box, serve, run);
  client.report(1, { framesShown: 7, janks: 2, latencyP50Ms: 12 });
  await client.framesCount(40);
  const of = (name: string) =>
    metric(serve, new RegExp(`telebridge_${name}\\{run="${run}".*\\} (\\S+)`));
  await waitFor("encoded frames", async () => await of("stream_packets_total") >= 20);
  assert(await of("stream_encode_seconds_total") > 0);
  assert(await of("stream_convert_seconds_total") > 0);
  assert(await of("stream_keyframes_total") >= 1);
  assert(await of("stream_bitrate_bits") > 100_000);
  assert.equal(await of("stream_info"), 1);
  assert.equal(await of("viewer_frames_shown_total"), 7);
  assert.equal(await of("viewer_janks_total"), 2);
  assert.equal(await of("viewer_latency_seconds_count"), 1);
});
