import assert from "node:assert/strict";
import type { Library } from "../../ffi/library.ts";
import type { Producer } from "../../ffi/producer.ts";
import { MessageType, PixelFormat, type StreamState } from "../../proto/wire.ts";
import {
  areOfOneWorker,
  routeOfSegment,
  runIdOf,
  segmentViaGrpc,
} from "../../core/picture_route.ts";
import { TestBox } from "../harness/box.ts";
import { ServerCore, type TestViewer } from "../harness/server_core.ts";
import { waitFor } from "../harness/wait.ts";

const SIDE = 4;

/** Frames say by their shade where they come from. */
function publish(producer: Producer, shade: number): void {
  const pixels = new Uint8Array(SIDE * SIDE).fill(shade);
  producer.publish({ pixels, width: SIDE, height: SIDE, format: PixelFormat.Gray8 });
}

function open(library: Library, segment: string, shade: number): Producer {
  const producer = library.openProducer(segment, SIDE * SIDE);
  publish(producer, shade);
  return producer;
}

/** The shade of what came last; whoever looks has drawn it. */
function shown(viewer: TestViewer): number | undefined {
  const last = viewer.lane.frames.at(-1);
  if (last !== undefined) viewer.ack(1, last.frame);
  return viewer.lane.pixels[0];
}

Deno.test("route: a segment with the suffix is its run's, and no run of its own", () => {
  assert.equal(segmentViaGrpc("cartpole"), "cartpole.via-grpc");
  assert.equal(runIdOf("cartpole.via-grpc"), "cartpole");
  assert.equal(runIdOf("cartpole"), "cartpole");
  assert.equal(routeOfSegment(".via-grpc"), "ring", "nothing is left of the name");
  const long = "r".repeat(56);
  assert.equal(segmentViaGrpc(long), long, "no room for the suffix");
});

Deno.test("route: a run with two segments is listed once, and watched by its ring where it is left to us", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("routes");
  using _ring = open(core.library, run, 10);
  using _grpc = open(core.library, segmentViaGrpc(run), 20);
  const viewer = core.viewer().subscribe(1, run);
  const segments = () =>
    [...core.registry.readCounters()].filter(([segment]) => runIdOf(segment) === run);
  await waitFor("both segments", () => segments().length === 2);
  await waitFor("a frame", () => shown(viewer));
  assert.equal(shown(viewer), 10);
  const listed = core.registry.list().filter(({ id }) => id.startsWith(run));
  assert.deepEqual(listed.map(({ id }) => id), [run]);
});

Deno.test("route: a preference moves those who watch, to and fro, and no further than to what there is", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("prefer");
  using ring = open(core.library, run, 10);
  const viewer = core.viewer().subscribe(1, run);
  await waitFor("the ring's frame", () => shown(viewer) === 10);
  core.registry.prefer(run, "grpc");
  publish(ring, 11);
  await waitFor("the ring's frames while there are no others", () => shown(viewer) === 11);
  const grpc = open(core.library, segmentViaGrpc(run), 20);
  await waitFor("the frame by gRPC", () => shown(viewer) === 20, () => shown(viewer));
  core.registry.prefer(run, "ring");
  await waitFor("the ring's frame again", () => shown(viewer) === 11);
  core.registry.prefer(run, "grpc");
  publish(grpc, 21);
  await waitFor("the frame by gRPC again", () => shown(viewer) === 21);
  grpc[Symbol.dispose]();
  publish(ring, 12);
  await waitFor("the ring's, as the other is gone", () => shown(viewer) === 12);
});

Deno.test("route: a pause goes with the pictures, and ends with its run", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("paused");
  using ring = open(core.library, run, 10);
  const grpc = open(core.library, segmentViaGrpc(run), 20);
  const viewer = core.viewer().subscribe(1, run);
  await waitFor("the ring's frame", () => shown(viewer) === 10);
  viewer.command(1, { command: "pause" });
  assert(ring.controls().pauseRequested);
  core.registry.prefer(run, "grpc");
  await waitFor("the frame by gRPC", () => shown(viewer) === 20);
  assert(grpc.controls().pauseRequested);
  assert(!ring.controls().pauseRequested, "who forwards it may take the ring over");
  assert(viewer.lane.last<StreamState>(MessageType.State)!.paused);
  grpc[Symbol.dispose]();
  await waitFor("the ring's frame again", () => core.registry.get(run)!.route === "ring");
  await waitFor("the pause", () => ring.controls().pauseRequested);
  ring[Symbol.dispose]();
  await waitFor(
    "the run's end",
    () => viewer.lane.last<StreamState>(MessageType.State)!.phase === "ended",
  );
  using next = open(core.library, run, 30);
  await waitFor("another run of the name", () => shown(viewer) === 30);
  assert(!next.controls().pauseRequested);
});

Deno.test("route: a ring that is younger than the segment by gRPC is another worker's", () => {
  const at = (runId: string, epochNs: bigint) => ({ runId, epochNs });
  assert(areOfOneWorker(at("r", 1n), at("r.via-grpc", 2n)));
  assert(areOfOneWorker(at("r.via-grpc", 2n), at("r", 1n)));
  assert(!areOfOneWorker(at("r.via-grpc", 2n), at("r", 3n)));
  assert(!areOfOneWorker(at("r", 1n), at("r", 3n)));
});

Deno.test("route: where the ring is deleted, pictures that come by gRPC take over for who watches", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const run = box.runId("deleted");
  using ring = open(core.library, run, 10);
  const viewer = core.viewer().subscribe(1, run);
  await waitFor("the ring's frame", () => shown(viewer) === 10);
  Deno.removeSync(`/dev/shm/mosaic.run.${run}.fastlane`);
  await viewer.lane.state("ended");
  using _grpc = open(core.library, segmentViaGrpc(run), 20);
  await waitFor("the frame by gRPC", () => shown(viewer) === 20);
  publish(ring, 11);
  assert.equal(core.registry.get(run)!.route, "grpc");
});

Deno.test("route: the runs that are watched are told as they change, those that are not there yet too", async () => {
  await using box = await TestBox.create();
  const told: string[][] = [];
  await using core = ServerCore.create(box, { onWatched: (runIds) => told.push([...runIds]) });
  const [first, second] = [box.runId("one"), box.runId("two")];
  const viewer = core.viewer().subscribe(1, first).subscribe(2, second);
  core.viewer().subscribe(1, first);
  assert.deepEqual(told, [[first], [first, second]]);
  viewer.session.onTransportClosed();
  assert.deepEqual(told.at(-1), [first]);
});
