/** Workers on other machines: gRPC clients whose ring this machine does not see, and a real server's viewers. */

import assert from "node:assert/strict";
import * as grpc from "@grpc/grpc-js";
import {
  encodeInputs,
  encodeJson,
  InputKind,
  MessageType,
  PixelFormat,
  type RunSummary,
} from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { decodeH264, encodeH264, isKeyframe } from "../harness/ffmpeg.ts";
import { startIngest } from "../harness/ingest.ts";
import { openLibrary } from "../harness/library.ts";
import { LiveClient } from "../harness/live_client.ts";
import { type FrameInit, RemoteControl, RemoteFramesCall } from "../harness/remote_worker.ts";
import { Serve } from "../harness/serve.ts";
import { cardPixels, cardStride, type TestCard } from "../harness/test_card.ts";
import { videoCardRgb } from "../harness/video_card.ts";
import { waitFor } from "../harness/wait.ts";

const CARD: TestCard = { format: PixelFormat.Rgb8, width: 21, height: 13, paddingBytes: 3 };
/** No machine has it. */
const OTHER_BOOT_ID = "00000000-0000-4000-8000-000000000000";
/** Where a machine's clock stands that was started long before ours. */
const OFFSET_NS = -86_400_000_000_000n;

/** A worker elsewhere, with one control stream and one call for its frames. */
class Remote {
  readonly run: string;
  readonly streamId = crypto.getRandomValues(new Uint8Array(16));
  readonly control: RemoteControl;
  readonly #box: TestBox;
  readonly #serve: Serve;

  constructor(box: TestBox, serve: Serve, run: string, commands: string[] = []) {
    this.#box = box;
    this.#serve = serve;
    this.run = run;
    this.control = RemoteControl.open(box, serve, {
      runId: run,
      streamId: this.streamId,
      ring: { bootId: OTHER_BOOT_ID, device: 1n, inode: 2n, epochNs: 3n },
      commands,
    });
  }

  publish(): RemoteFramesCall {
    return RemoteFramesCall.open(this.#box, this.#serve, this.run, this.streamId);
  }

  /** Waits until its pictures are asked for. */
  asked(): Promise<unknown> {
    return this.control.when("route", ({ publishFrames }) => publishFrames);
  }
}

function cardFrame(frame: number, card: TestCard = CARD): FrameInit {
  const { width, height, format } = card;
  return {
    ...{ width, height, format, stride: cardStride(card), payload: cardPixels(card, frame) },
    ...{ step: BigInt(frame), episode: 3n, reward: frame / 2 },
  };
}

Deno.test("remote frames: a worker elsewhere is listed, asked when somebody watches, and shown with its numbers", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("elsewhere");
  const remote = new Remote(box, serve, run);
  await remote.control.when("route", ({ publishFrames }) => !publishFrames);
  const client = await LiveClient.open(box, serve);
  const listed = () => client.runs.find(({ id }) => id === run);
  const idle = await waitFor("the run in the list", listed, () => client.runs);
  assert.deepEqual([idle.phase, idle.frames], ["idle", 0]);
  client.subscribe(1, run);
  await remote.asked();
  const call = remote.publish();
  const [answer] = [await call.taken(0)];
  assert.equal(answer.framesInFlightMax, 3);
  const hud = { lastReward: 1, avgReward1s: 2, stepRateHz: 3, episode: 4n, step: 5n };
  call.publish({ ...cardFrame(1), hud: { ...hud, episodeReturn: 6, loss: NaN } });
  await client.framesCount(1);
  const { header, payload } = client.frames[0]!;
  assert.deepEqual(
    [header.width, header.height, header.format, header.step, header.episode, header.reward],
    [CARD.width, CARD.height, CARD.format, 1, 3, 0.5],
  );
  assert.deepEqual(payload.subarray(0, header.stride * header.height), cardPixels(CARD, 1));
  const row = await waitFor("the numbers", () => listed()?.hud && listed() as RunSummary);
  assert.deepEqual([row.hud!.stepRateHz, row.hud!.episodeReturn], [3, 6]);
  const ours = client.runs.map(({ id }) => id).filter((id) => id.startsWith(run));
  assert.deepEqual(ours, [run], "the segment is no run of its own");
  client.close();
  await remote.control.when("route", ({ publishFrames }) => !publishFrames);
});

Deno.test("remote frames: the times of a worker's clock become ours, and none is later than now", async () => {
  await using box = await TestBox.create();
  using library = openLibrary();
  const serve = await Serve.start(box);
  const run = box.runId("clocks");
  const remote = new Remote(box, serve, run);
  const workerNs = () => library.clockMonoNs() - OFFSET_NS;
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  await remote.asked();
  remote.control.write({ message: { case: "ping", value: { sentMonoNs: workerNs() } } });
  await remote.control.when("pong", () => true);
  const pong = remote.control.last("pong")!;
  assert(pong.receivedMonoNs <= pong.answeredMonoNs);
  assert(pong.answeredMonoNs <= library.clockMonoNs());
  remote.control.write({
    message: { case: "ping", value: { sentMonoNs: workerNs(), offsetNs: OFFSET_NS } },
  });
  await waitFor("the second pong", () => remote.control.all("pong").length === 2);
  const call = remote.publish();
  const capturedNs = library.clockMonoNs();
  call.publish({ ...cardFrame(1), timeMonoNs: capturedNs - OFFSET_NS });
  await client.framesCount(1);
  assert.equal(client.frames[0]!.header.tMonoNs, capturedNs);
  call.publish({ ...cardFrame(2), timeMonoNs: workerNs() + 3_600_000_000_000n });
  await client.framesCount(2);
  const late = client.frames[1]!.header;
  assert(late.tMonoNs > capturedNs && late.tMonoNs <= late.tSentNs, "an hour ahead is now");
});

Deno.test("remote frames: H.264 arrives as it is; a gap is answered by a keyframe's request", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("h264");
  const size = { width: 320, height: 240, scene: "moving" as const };
  const numbers = Array.from({ length: 20 }, (_, index) => index + 1);
  const units = await encodeH264(numbers.map((n) => videoCardRgb(size, n)), size);
  const remote = new Remote(box, serve, run);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run, { stayLive: false, lane: "h264", accepts: ["raw", "h264"] });
  await remote.asked();
  const call = remote.publish();
  const send = (index: number) => {
    const payload = units[index]!;
    const { width, height } = size;
    const keyframe = isKeyframe(payload);
    call.write({
      frame: {
        ...{ number: BigInt(index + 1), width, height, format: PixelFormat.H264, keyframe },
        payload,
      },
    });
  };
  for (let index = 0; index < 5; index++) send(index);
  await client.framesCount(5);
  const received = () =>
    client.frames.map(({ header, payload }) => payload.subarray(0, header.payloadBytes));
  assert.equal((await decodeH264(received())).frames, 5);
  const requestsBefore = remote.control.last("keyframeRequests") ?? 0n;
  assert(!isKeyframe(units[7]!));
  send(7);
  await remote.control.when("keyframeRequests", (count) => count > requestsBefore);
  assert.equal(client.frames.length, 5, "what cannot be decoded was passed over");
});

Deno.test("remote frames: pause, rate cap, input and keyframe requests of viewers reach the worker", async () => {
  await using box = await TestBox.create();
  using library = openLibrary();
  const serve = await Serve.start(box);
  const run = box.runId("steered");
  const remote = new Remote(box, serve, run);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run, { fpsMax: 12 });
  await remote.asked();
  remote.control.write({
    message: { case: "ping", value: { sentMonoNs: 1n, offsetNs: OFFSET_NS } },
  });
  const call = remote.publish();
  call.publish(cardFrame(1));
  await client.state("live");
  await remote.control.when("rateMaxMhz", (mhz) => mhz === 12_000);
  assert.equal((await client.command(1, { command: "pause" })).ok, true);
  await remote.control.when("pause", (pause) => pause);
  remote.control.write({ message: { case: "paused", value: true } });
  await waitFor(
    "the run to be shown as paused",
    () => client.runs.find(({ id }) => id === run)?.phase === "paused",
  );
  assert.equal((await client.command(1, { command: "resume" })).ok, true);
  await remote.control.when("pause", (pause) => !pause);
  remote.control.write({ message: { case: "paused", value: false } });
  await client.command(1, { command: "take-control" });
  const sentNs = library.clockMonoNs();
  const pointer = { kind: InputKind.Pointer, code: 0, buttons: 1, modifiers: 0 };
  client.send(encodeInputs(1, [{ ...pointer, x: 0.25, y: 0.5 }]));
  const events = () => remote.control.all("inputs").flatMap(({ events }) => inputsOf(events));
  const event = await waitFor(
    "the pointer",
    () => events().find(({ kind }) => kind === InputKind.Pointer),
    events,
  );
  assert.deepEqual([event.x, event.y, event.buttons], [0.25, 0.5, 1]);
  const tNs = event.tNs + OFFSET_NS;
  assert(tNs >= sentNs && tNs <= library.clockMonoNs(), "by the worker's clock");
  const taken = client.command(1, { command: "worker", code: 300, value: 7 });
  await waitFor(
    "the worker's command",
    () => events().find(({ kind, code, x }) => kind === 5 && code === 300 && x === 7),
    events,
  );
  assert.equal((await taken).taken, true);
});

function inputsOf(events: Uint8Array) {
  const view = new DataView(events.buffer, events.byteOffset, events.byteLength);
  return Array.from({ length: events.byteLength / 32 }, (_, index) => ({
    kind: view.getUint32(index * 32, true),
    code: view.getUint32(index * 32 + 4, true),
    x: view.getFloat32(index * 32 + 8, true),
    y: view.getFloat32(index * 32 + 12, true),
    buttons: view.getUint32(index * 32 + 16, true),
    tNs: view.getBigUint64(index * 32 + 24, true),
  }));
}

/** Frames that contradict themselves, and what is said of each. */
const HOSTILE: [what: string, frame: FrameInit, says: RegExp][] = [
  ["a plane that is not there", { ...cardFrame(1), height: 6000 }, /bytes is/],
  ["rows shorter than the picture", { ...cardFrame(1), stride: 3 }, /stride/],
  ["no width", { ...cardFrame(1), width: 0 }, /0 × 13/],
  ["a side beyond all", { ...cardFrame(1), width: 0xffff_ffff }, /4294967295/],
  ["a format of nobody", { ...cardFrame(1), format: 99 as PixelFormat }, /format 99/],
  ["nothing", { ...cardFrame(1), payload: new Uint8Array() }, /payload/],
  [
    "an overlay that is not there",
    { ...cardFrame(1), overlay: { width: 1000, height: 1000, heat: new Uint8Array(4) } },
    /overlay/,
  ],
  [
    "an access unit that is none",
    { ...cardFrame(1), format: PixelFormat.H264, payload: new Uint8Array(64).fill(7) },
    /Annex B/,
  ],
  ["a JPEG that is none", { ...cardFrame(1), format: PixelFormat.Jpeg, stride: 0 }, /JPEG/],
];

Deno.test("remote frames: what contradicts itself is refused, and harms nobody else's picture", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const good = new Remote(box, serve, box.runId("good"));
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, good.run);
  await good.asked();
  const call = good.publish();
  for (const [what, frame, says] of HOSTILE) {
    const bad = new Remote(box, serve, box.runId("bad"));
    const badCall = bad.publish();
    badCall.publish(frame);
    const { code, details } = await badCall.ended();
    assert.equal(code, grpc.status.INVALID_ARGUMENT, `${what}: ${details}`);
    assert.match(details, says, what);
  }
  for (const runId of ["../x", "a.via-grpc", ""]) {
    const refused = RemoteFramesCall.open(box, serve, runId, good.streamId);
    assert.equal((await refused.ended()).code, grpc.status.INVALID_ARGUMENT, runId);
  }
  const other = RemoteFramesCall.open(box, serve, good.run, new Uint8Array(16));
  assert.equal((await other.ended()).code, grpc.status.ALREADY_EXISTS);
  call.publish(cardFrame(1));
  await client.framesCount(1);
  assert.equal(call.ending, null);
});

Deno.test("remote frames: pictures that grow, a connection that is lost, and an end leave nothing behind", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("life");
  const remote = new Remote(box, serve, run);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  await remote.asked();
  const call = remote.publish();
  call.publish(cardFrame(1));
  await client.framesCount(1);
  const large: TestCard = { format: PixelFormat.Rgb8, width: 200, height: 200, paddingBytes: 0 };
  call.publish(cardFrame(2, large));
  await waitFor("the larger picture", () => client.frames.at(-1)!.header.width === 200);
  call.cut();
  const again = remote.publish();
  again.publish(cardFrame(3, large));
  await waitFor("a picture by the next call", () => client.frames.at(-1)!.header.step === 3);
  again.end();
  remote.control.end();
  const segment = `/dev/shm/mosaic.run.${run}.via-grpc.fastlane`;
  const there = () => Deno.lstat(segment).then(() => true, () => false);
  await client.state("ended");
  assert.equal(await there(), false);
});

Deno.test("remote frames: who prefers gRPC gets it while both are there, and goes back", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const run = box.runId("both");
  box.enter();
  using library = openLibrary();
  using ring = library.openProducer(run, 64 * 1024);
  const shade = (value: number) => ({
    ...{ width: 8, height: 8, format: PixelFormat.Gray8 },
    pixels: new Uint8Array(64).fill(value),
  });
  ring.publish(shade(10));
  const { dev, ino } = Deno.lstatSync(`/dev/shm/mosaic.run.${run}.fastlane`);
  let epochNs = 0n;
  {
    using reader = library.openReader(run);
    epochNs = reader.epochNs;
  }
  const bootId = Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  const streamId = crypto.getRandomValues(new Uint8Array(16));
  const identity = { bootId, device: BigInt(dev), inode: BigInt(ino!), epochNs };
  const control = RemoteControl.open(box, serve, { runId: run, streamId, ring: identity });
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  const shown = () => client.frames.at(-1)?.payload[0];
  await waitFor("the ring's picture", () => shown() === 10);
  await control.when("route", ({ reason }) => reason === "the server sees the ring");
  const prefer = (route: string) =>
    client.send(encodeJson(MessageType.Route, 0, { run, prefer: route }));
  prefer("grpc");
  await control.when("route", ({ publishFrames }) => publishFrames);
  assert.equal(shown(), 10, "until one has come by gRPC");
  const call = RemoteFramesCall.open(box, serve, run, streamId);
  const grpcFrame = (value: number): FrameInit => {
    const { pixels, ...shape } = shade(value);
    return { ...shape, stride: 8, payload: pixels };
  };
  call.publish(grpcFrame(20));
  await waitFor("the picture by gRPC", () => shown() === 20);
  prefer("auto");
  await control.when("route", ({ publishFrames }) => !publishFrames);
  await waitFor("the ring's picture again", () => shown() === 10);
  // As `rm` does it: the worker goes on and notices nothing.
  Deno.removeSync(`/dev/shm/mosaic.run.${run}.fastlane`);
  await control.when("route", ({ reason }) => reason === "the server does not see the ring");
  call.publish(grpcFrame(21));
  await waitFor("the picture by gRPC, as the ring is deleted", () => shown() === 21);
});

Deno.test("remote frames: JPEGs arrive as they are, and are the run's snapshot", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const source = new Remote(box, serve, box.runId("source"));
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, source.run);
  await source.asked();
  source.publish().publish(cardFrame(1));
  await client.framesCount(1);
  const jpeg = await snapshot(serve, source.run);
  const remote = new Remote(box, serve, box.runId("jpeg"));
  client.subscribe(1, remote.run, { lane: "jpeg", accepts: ["raw", "jpeg"] });
  await remote.asked();
  const { width, height } = CARD;
  remote.publish().publish({ width, height, format: PixelFormat.Jpeg, payload: jpeg });
  await waitFor("the JPEG", () => client.frames.at(-1)!.header.format === PixelFormat.Jpeg);
  const { header, payload } = client.frames.at(-1)!;
  assert.deepEqual(payload.subarray(0, header.payloadBytes), jpeg);
  assert.deepEqual(await snapshot(serve, remote.run), jpeg);
  await serve.stop();
  const { code, details } = await remote.control.ended();
  assert.deepEqual([code, details], [grpc.status.UNAVAILABLE, "the server is stopping"]);
  const left = [...Deno.readDirSync("/dev/shm")].filter(({ name }) => name.includes(remote.run));
  assert.deepEqual(left, []);
});

async function snapshot(serve: Serve, run: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await serve.fetch(`/runs/${run}/frame.jpg`);
  assert.equal(response.status, 200);
  return new Uint8Array(await response.arrayBuffer());
}

Deno.test("control stream: a named command reaches the worker that answers it, and its reply comes back", async () => {
  await using box = await TestBox.create();
  const { lane, token } = await startIngest(box);
  const target = { ready: { token, grpcPort: lane.endpoints.port! } };
  const run = box.runId("commands");
  const streamId = crypto.getRandomValues(new Uint8Array(16));
  const control = RemoteControl.open(box, target, { runId: run, streamId, commands: ["save"] });
  await waitFor("the worker", () => lane.workers.find(({ runId }) => runId === run));
  await control.when("credits", ({ rows, reason }) => rows > 0 && reason === "");
  const saved = lane.command(run, "save", '{"as":"best"}');
  await control.when(
    "command",
    ({ name, argsJson }) => name === "save" && argsJson === '{"as":"best"}',
  );
  const { id } = control.last("command")!;
  control.write({ message: { case: "reply", value: { id: id + 1n, ok: true, resultJson: "0" } } });
  control.write({ message: { case: "reply", value: { id, ok: true, resultJson: '"best.pt"' } } });
  assert.equal(await saved, '"best.pt"');
  const failed = lane.command(run, "save", "{}");
  await waitFor("the second command", () => control.all("command").length === 2);
  const reply = { id: control.last("command")!.id, ok: false, resultJson: "the disk is full" };
  control.write({ message: { case: "reply", value: reply } });
  await assert.rejects(failed, /the disk is full/);
  await assert.rejects(lane.command(run, "load", "{}"), /answers only save/);
  await assert.rejects(lane.command(box.runId("nobody"), "save", "{}"), /no worker/);
  const orphan = lane.command(run, "save", "{}");
  await waitFor("the third command", () => control.all("command").length === 3);
  control.cut();
  await assert.rejects(orphan, /the worker is gone/);
});
