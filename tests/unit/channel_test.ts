import assert from "node:assert/strict";
import { TelebridgeError } from "../../ffi/errors.ts";
import type { Producer } from "../../ffi/producer.ts";
import {
  decodeHud,
  encodeBinary,
  encodeInputs,
  InputKind,
  MessageType,
  PixelFormat,
  type Reply,
  type StreamState,
} from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { ServerCore, type TestViewer, VIEW_TOKEN } from "../harness/server_core.ts";
import { sleep, waitFor } from "../harness/wait.ts";

const SIDE = 8;
const CAPACITY = 16;
/** The input ring's. */
const INPUT_EVENTS_MAX = 256;
/** Long enough for several frames of anything that should not come to come. */
const QUIET_MS = 150;

function open(core: ServerCore, run: string): Producer {
  return core.library.openProducer(run, 64 * 1024, CAPACITY);
}

function publish(producer: Producer, shade: number, side = SIDE): void {
  producer.publish({
    pixels: new Uint8Array(side * side).fill(shade),
    width: side,
    height: side,
    format: PixelFormat.Gray8,
    step: shade,
  });
}

function numbers(viewer: TestViewer): number[] {
  return viewer.lane.frames.map(({ frame }) => frame);
}

function lastState(viewer: TestViewer): StreamState {
  return viewer.lane.last<StreamState>(MessageType.State)!;
}

/** Publishes a frame and has it acked by all. */
async function step(producer: Producer, frame: number, ...viewers: TestViewer[]): Promise<void> {
  publish(producer, frame);
  for (const viewer of viewers) {
    await viewer.lane.frame(frame);
    viewer.ack(1, frame);
  }
}

Deno.test("channel: frames come as they are published, with their stamps", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("frames");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  const startNs = core.library.clockMonoNs();
  for (let frame = 1; frame <= 20; frame++) await step(producer, frame, viewer);
  assert.deepEqual(numbers(viewer), Array.from({ length: 20 }, (_, index) => index + 1));
  assert.deepEqual(viewer.lane.pixels, new Uint8Array(SIDE * SIDE).fill(20));
  const last = viewer.lane.frames.at(-1)!;
  assert.equal(last.step, 20);
  assert.equal(last.framesSkipped, 0);
  assert(startNs < last.tMonoNs);
  assert(last.tMonoNs <= last.tSentNs && last.tWokenNs <= last.tSentNs);
});

Deno.test("channel: a viewer that comes late gets the newest frame at once", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("late");
  using producer = open(core, run);
  for (let frame = 1; frame <= 5; frame++) publish(producer, frame);
  const viewer = core.viewer().subscribe(1, run);
  assert.equal((await viewer.lane.frame(1)).frame, 5);
});

Deno.test("channel: beyond three unacked frames nothing is sent, and an ack brings the newest", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("flow");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  for (let frame = 1; frame <= 3; frame++) {
    publish(producer, frame);
    await viewer.lane.frame(frame);
  }
  for (let frame = 4; frame <= 10; frame++) publish(producer, frame);
  await sleep(QUIET_MS);
  assert.deepEqual(numbers(viewer), [1, 2, 3]);
  viewer.ack(1, 3);
  await viewer.lane.frame(10);
  assert.deepEqual(numbers(viewer), [1, 2, 3, 10]);
  assert.equal(viewer.lane.frames.at(-1)!.framesSkipped, 6);
});

Deno.test("channel: a viewer that is stuck delays nobody", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("stuck");
  using producer = open(core, run);
  const stuck = core.viewer();
  stuck.lane.writes = false;
  stuck.subscribe(1, run);
  const quick = core.viewer().subscribe(1, run);
  await quick.lane.state("live");
  for (let frame = 1; frame <= 30; frame++) await step(producer, frame, quick);
  assert.equal(numbers(quick).length, 30);
  assert.equal(numbers(stuck).length, 1);
});

Deno.test("channel: every viewer gets the same pixels under its own handle", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("two");
  using producer = open(core, run);
  const viewers = [core.viewer(), core.viewer(), core.viewer()];
  for (const viewer of viewers) viewer.subscribe(1, run);
  await viewers[2]!.lane.state("live");
  for (let frame = 1; frame <= 10; frame++) await step(producer, frame, ...viewers);
  for (const viewer of viewers) {
    assert.equal(numbers(viewer).length, 10);
    assert.deepEqual(viewer.lane.pixels, new Uint8Array(SIDE * SIDE).fill(10));
  }
});

Deno.test("channel: stayLive false: every frame in order, and the newest after being lapped", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("order");
  using producer = open(core, run);
  publish(producer, 1);
  const viewer = core.viewer().subscribe(1, run, { stayLive: false });
  await viewer.lane.frame(1);
  for (let frame = 2; frame <= CAPACITY; frame++) publish(producer, frame);
  for (let frame = 1; frame <= CAPACITY; frame++) {
    await viewer.lane.frame(frame);
    viewer.ack(1, frame);
  }
  const inOrder = Array.from({ length: CAPACITY }, (_, index) => index + 1);
  assert.deepEqual(numbers(viewer), inOrder);
  for (let frame = 1; frame <= CAPACITY * 3; frame++) publish(producer, frame);
  viewer.ack(1, CAPACITY);
  await waitFor("the newest", () => {
    viewer.ack(1, viewer.lane.frames.at(-1)!.frame);
    return viewer.lane.frames.at(-1)!.frame === CAPACITY * 4;
  });
});

Deno.test("channel: every n-th frame, and a change of it takes effect at once", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("nth");
  using producer = open(core, run);
  publish(producer, 1);
  const viewer = core.viewer().subscribe(1, run, { everyNth: 4 });
  const witness = core.viewer().subscribe(1, run);
  await viewer.lane.frame(1);
  viewer.ack(1, 1);
  await witness.lane.frame(1);
  witness.ack(1, 1);
  for (let frame = 2; frame <= 9; frame++) {
    await step(producer, frame, witness);
    viewer.ack(1, viewer.lane.frames.at(-1)!.frame);
  }
  assert.deepEqual(numbers(viewer), [1, 5, 9]);
  viewer.subscribe(1, run, { everyNth: 1 });
  await step(producer, 10, witness, viewer);
  assert.deepEqual(numbers(viewer), [1, 5, 9, 10]);
});

Deno.test("channel: the worker is told the fastest cap, when all viewers have one", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("rate");
  using producer = open(core, run);
  const slow = core.viewer().subscribe(1, run, { fpsMax: 30 });
  await slow.lane.state("live");
  assert.equal(producer.controls().rateMaxMhz, 30_000);
  const fast = core.viewer().subscribe(1, run, { fpsMax: 60 });
  assert.equal(producer.controls().rateMaxMhz, 60_000);
  fast.subscribe(1, run, { fpsMax: 0 });
  assert.equal(producer.controls().rateMaxMhz, 0);
  fast.session.onTransportClosed();
  assert.equal(producer.controls().rateMaxMhz, 30_000);
});

Deno.test("channel: nobody watches: nobody controls", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("idle");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  assert(producer.controls().controllerAlive);
  viewer.session.onTransportClosed();
  assert(!producer.controls().controllerAlive);
});

Deno.test("channel: a paused run stays paused when its viewer goes", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("pause");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  assert.deepEqual(viewer.command(1, { command: "pause" }), { id: 1, ok: true });
  assert(producer.controls().pauseRequested);
  assert(lastState(viewer).paused);
  assert.equal(producer.nextInput()!.code, 1);
  viewer.session.onTransportClosed();
  await sleep(2_500); // longer than a lease
  assert(producer.controls().pauseRequested);
  const next = core.viewer().subscribe(1, run);
  assert(lastState(next).paused);
  next.command(1, { command: "step" });
  assert.deepEqual([producer.nextInput()!.kind, producer.gate(0)], [InputKind.Command, true]);
  next.command(1, { command: "resume" });
  assert(!producer.controls().pauseRequested);
});

Deno.test("channel: input comes from the viewer that has control, and is released when it goes", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("input");
  using producer = open(core, run);
  const one = core.viewer().subscribe(1, run);
  const two = core.viewer().subscribe(1, run);
  await one.lane.state("live");
  const key = { kind: InputKind.Key, code: 4, x: 0, y: 0, buttons: 1, modifiers: 2 };
  one.receive(encodeInputs(1, [key]));
  assert.equal(producer.nextInput(), null, "without control");
  assert(one.command(1, { command: "take-control" }).ok);
  assert.deepEqual([lastState(one).control, lastState(two).control], ["you", "other"]);
  const sentNs = core.library.clockMonoNs();
  one.receive(encodeInputs(1, [key, { ...key, buttons: 0 }]));
  const { tNs, ...event } = producer.nextInput()!;
  assert.deepEqual(event, key);
  assert(tNs >= sentNs && tNs <= core.library.clockMonoNs());
  assert.equal(producer.nextInput()!.buttons, 0);
  two.command(1, { command: "take-control" });
  assert.equal(producer.nextInput()!.kind, InputKind.ReleaseAll);
  two.session.onTransportClosed();
  assert.equal(producer.nextInput()!.kind, InputKind.ReleaseAll);
  assert.equal(lastState(one).control, "none");
});

Deno.test("channel: the worker's own commands reach it with their value", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("worker");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  viewer.command(1, { command: "worker", code: 300, value: 0.5 });
  const event = producer.nextInput()!;
  assert.deepEqual([event.kind, event.code, event.x], [InputKind.Command, 300, 0.5]);
});

Deno.test("channel: a command is acknowledged when the worker has taken it, by a frame or without one", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("taken");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  const replies = () => viewer.lane.bodies<Reply>(MessageType.Reply);
  viewer.command(1, { command: "worker", code: 300 });
  viewer.command(1, { command: "pause" });
  publish(producer, 1);
  await viewer.lane.frame(1);
  assert.deepEqual(replies(), [{ id: 2, ok: true }], "before the worker looked");
  while (producer.nextInput() !== null);
  await waitFor("the worker's command", () => replies().length === 2, replies);
  assert.deepEqual(replies()[1], { id: 1, ok: true, taken: true });
  viewer.command(1, { command: "step" });
  assert(producer.gate(0), "the gate takes it as well");
  publish(producer, 2);
  await viewer.lane.frame(2);
  assert.deepEqual(replies()[2], { id: 3, ok: true, taken: true });
});

Deno.test("channel: a command that no worker takes is told of as such, and so is one without room", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("untaken");
  const producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  const replies = () => viewer.lane.bodies<Reply>(MessageType.Reply);
  for (let event = 0; event < INPUT_EVENTS_MAX; event++) viewer.command(1, { command: "step" });
  assert.deepEqual(replies(), []);
  assert.match(viewer.command(1, { command: "step" }).error!, /ring is full/);
  // The run's end answers what still waits.
  producer[Symbol.dispose]();
  await waitFor("all answers", () => replies().length === INPUT_EVENTS_MAX + 1, replies);
  assert(replies().slice(1).every(({ ok, taken }) => ok && taken === false));
});

Deno.test("channel: who may only watch touches nothing", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("view");
  using producer = open(core, run);
  const viewer = core.viewer(VIEW_TOKEN).subscribe(1, run);
  await viewer.lane.state("live");
  for (const command of ["pause", "step", "take-control"] as const) {
    assert.match(viewer.command(1, { command }).error!, /watch, not touch/);
  }
  viewer.receive(
    encodeInputs(1, [{ kind: InputKind.Key, code: 4, x: 0, y: 0, buttons: 1, modifiers: 0 }]),
  );
  assert.equal(producer.nextInput(), null);
  assert(!producer.controls().pauseRequested);
});

Deno.test("channel: a run that another program controls can be watched, not touched", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("busy");
  using producer = open(core, run);
  using reader = core.library.openReader(run);
  const controller = core.library.openController(reader);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  assert.equal(lastState(viewer).controllable, false);
  assert.match(viewer.command(1, { command: "pause" }).error!, /another program/);
  for (let frame = 1; frame <= 5; frame++) await step(producer, frame, viewer);
  controller[Symbol.dispose]();
  await waitFor("control", () => lastState(viewer).controllable);
  for (let frame = 6; frame <= 9; frame++) await step(producer, frame, viewer);
  assert(viewer.command(1, { command: "pause" }).ok);
  assert(producer.controls().pauseRequested);
});

Deno.test("channel: HUD numbers come with frames, and without", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("hud");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  const hud = { lastReward: 1, avgReward1s: 2, stepRateHz: 3, episode: 4, step: 5 };
  producer.setHud({ ...hud, episodeReturn: 6, loss: NaN });
  const blocks = () => viewer.lane.messages.filter(({ type }) => type === MessageType.Hud);
  await waitFor("numbers", () => blocks().length > 0);
  assert.deepEqual(decodeHud(blocks()[0]!.body), { ...hud, episodeReturn: 6, loss: NaN });
  await sleep(QUIET_MS * 2);
  assert.equal(blocks().length, 1, "numbers that do not move are sent once");
});

Deno.test("channel: a subscription follows its run through an end and a new start", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("again");
  const viewer = core.viewer().subscribe(1, run);
  const epochs = [];
  for (let life = 1; life <= 2; life++) {
    using producer = open(core, run);
    await viewer.lane.state("live");
    epochs.push(lastState(viewer).epoch);
    viewer.lane.frames.length = 0;
    for (let frame = 1; frame <= 4; frame++) await step(producer, frame, viewer);
    assert.deepEqual(numbers(viewer), [1, 2, 3, 4]);
    producer[Symbol.dispose]();
    await viewer.lane.state("ended");
    assert.equal(lastState(viewer).message, "finished");
  }
  assert.notEqual(epochs[0], epochs[1]);
});

Deno.test("channel: the last frame of a run reaches viewers that were not due for one", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("last");
  const viewers = [
    core.viewer().subscribe(1, run),
    core.viewer().subscribe(1, run, { fpsMax: 1 }),
    core.viewer().subscribe(1, run, { everyNth: 100 }),
  ];
  {
    using producer = open(core, run);
    for (const viewer of viewers) await viewer.lane.state("live");
    for (let frame = 1; frame <= 7; frame++) publish(producer, frame);
  }
  for (const viewer of viewers) {
    await viewer.lane.state("ended");
    assert.equal(viewer.lane.frames.at(-1)!.frame, 7);
    assert(numbers(viewer).length < 7);
  }
});

Deno.test("channel: frames that grow and shrink", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("sizes");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  const sides = [8, 200, 16, 256, 1];
  for (const [index, side] of sides.entries()) {
    publish(producer, index, side);
    const header = await viewer.lane.frame(index + 1);
    assert.equal(header.width, side);
    assert.deepEqual(viewer.lane.pixels, new Uint8Array(side * side).fill(index));
    viewer.ack(1, index + 1);
  }
});

Deno.test("channel: viewers with different caps all see the frame after which the run stands still", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("still");
  using producer = open(core, run);
  const free = core.viewer().subscribe(1, run);
  const capped = core.viewer().subscribe(1, run, { fpsMax: 5 });
  await capped.lane.state("live");
  for (let frame = 1; frame <= 6; frame++) await step(producer, frame, free);
  capped.ack(1, 6);
  await capped.lane.frame(6);
});

Deno.test("channel: a viewer that subscribes again and again has one frame unwritten at most", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("again");
  using producer = open(core, run);
  publish(producer, 1);
  const viewer = core.viewer();
  viewer.lane.writes = false;
  for (let handle = 1; handle <= 20; handle++) {
    viewer.subscribe(handle, run);
    if (handle === 1) await viewer.lane.frame(1);
    viewer.receive(encodeBinary(MessageType.Unsubscribe, handle, new Uint8Array()));
  }
  viewer.subscribe(21, run);
  await sleep(QUIET_MS);
  assert.equal(viewer.lane.frames.length, 1);
  viewer.lane.writeAll();
  assert.equal(viewer.lane.frames.length, 2, "the newest, when the left one was written");
});

Deno.test("channel: the highest cap and the widest step of one viewer end nobody's run", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("caps");
  using producer = open(core, run);
  publish(producer, 1);
  const viewer = core.viewer(VIEW_TOKEN).subscribe(1, run, { fpsMax: 1000, everyNth: 100_000 });
  await viewer.lane.state("live");
  const slow = core.viewer(VIEW_TOKEN).subscribe(1, run, { fpsMax: 0.1 });
  await slow.lane.frame(1);
  publish(producer, 2);
  await sleep(QUIET_MS);
  assert.equal(lastState(viewer).phase, "live");
  assert.deepEqual(numbers(slow), [1]);
});

Deno.test("channel: without a control socket a run is watched, and controlled as soon as there is one", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("socketless");
  using producer = open(core, run);
  Deno.env.set("TELEBRIDGE_RUNTIME_DIR", `${box.folder}/gone/runtime`);
  const viewer = core.viewer().subscribe(1, run);
  const state = await viewer.lane.state("live") as StreamState;
  box.enter();
  assert.equal(state.controllable, false);
  publish(producer, 1);
  await viewer.lane.frame(1);
  await waitFor("control", () => lastState(viewer).controllable);
  assert.equal(viewer.command(1, { command: "take-control" }).ok, true);
});

Deno.test("channel: a viewer that outlives a failed attach takes nobody else's channel along", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("failed");
  const first = open(core, run);
  await waitFor("the run", () => core.registry.get(run));
  const { openController } = core.library;
  core.library.openController = () => {
    throw new TelebridgeError(14, "the segment was truncated");
  };
  const orphan = core.viewer().subscribe(1, run);
  core.library.openController = openController;
  assert.equal(lastState(orphan).phase, "error");
  first[Symbol.dispose]();
  using second = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  assert.equal(lastState(orphan).phase, "live");
  orphan.receive(encodeBinary(MessageType.Unsubscribe, 1, new Uint8Array()));
  assert.equal(core.channels.viewersCount(run), 1);
  publish(second, 1);
  await viewer.lane.frame(1);
});

Deno.test("channel: a pointer outside the picture is moved to its edge", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("edge");
  using producer = open(core, run);
  const viewer = core.viewer().subscribe(1, run);
  await viewer.lane.state("live");
  viewer.command(1, { command: "take-control" });
  const pointer = { kind: InputKind.Pointer, code: 0, buttons: 1, modifiers: 0 };
  viewer.receive(encodeInputs(1, [{ ...pointer, x: -3, y: 7 }]));
  const event = await waitFor("the event", () => producer.nextInput());
  assert.deepEqual([event.x, event.y], [0, 1]);
});

Deno.test("hub: a reader that is closed while the hub reads it is closed when it leaves the hub", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("held");
  using _producer = open(core, run);
  using hub = core.library.openHub();
  const reader = core.library.openReader(run);
  hub.add(1, reader, null);
  reader[Symbol.dispose]();
  assert.equal(reader.readStatus().head, 0);
  hub.remove(1);
  assert.throws(() => reader.readStatus(), /closed/);
});
