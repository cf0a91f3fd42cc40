/** What sessions hear of the durable lane, over real sessions and a double of the lane. */

import assert from "node:assert/strict";
import type { RemoteWorker } from "../../core/durable/feed.ts";
import { SAMPLES_BYTES_MAX } from "../../core/durable/gathered_commits.ts";
import {
  type Commits,
  decodeF64,
  type Durable,
  encodeJson,
  MessageType,
} from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { ServerCore, type TestViewer, VIEW_TOKEN } from "../harness/server_core.ts";
import { waitFor } from "../harness/wait.ts";

const WORKER: RemoteWorker = {
  runId: "a",
  connectedAtMs: 0,
  hasPictures: true,
  ringVisible: true,
  publishesFrames: false,
  segment: null,
  commands: [],
};

function follow(viewer: TestViewer, run: string | null): void {
  viewer.receive(encodeJson(MessageType.Follow, 0, { run }));
}

function commits(viewer: TestViewer): Commits[] {
  return viewer.lane.bodies<Commits>(MessageType.Commits);
}

async function nextCommits(viewer: TestViewer, after = 0): Promise<Commits> {
  return await waitFor("Commits", () => commits(viewer)[after], () => commits(viewer));
}

Deno.test("desk: a greeted viewer hears the durable lane's state and routes, and each change once", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer();
  const told = () => viewer.lane.bodies<Durable>(MessageType.Durable);
  assert.deepEqual(told(), [{ state: "ok", reason: "", runsVersion: 0, routes: [] }]);
  assert.equal(viewer.lane.messages[0]!.type, MessageType.Welcome, "after the greeting");
  core.durable.become({ state: "failing", reason: "disk full" });
  core.durable.become({ state: "failing", reason: "disk full" });
  assert.deepEqual(told().length, 2);
  assert.deepEqual(told().at(-1), {
    state: "failing",
    reason: "disk full",
    runsVersion: 0,
    routes: [],
  });
  const far = { ...WORKER, runId: "far", ringVisible: false, publishesFrames: true };
  core.durable.connect([far, { ...WORKER, runId: "rows only", hasPictures: false }]);
  assert.deepEqual(told().at(-1)!.routes, [
    { run: "far", ringVisible: false, publishesFrames: true, prefer: "auto" },
  ]);
  const late = core.viewer();
  assert.deepEqual(late.lane.last(MessageType.Durable), told().at(-1));
});

Deno.test("desk: changes of stored runs that come together are told once", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  core.durable.changeRuns();
  const viewer = core.viewer();
  core.durable.changeRuns();
  core.durable.changeRuns();
  const versions = () =>
    viewer.lane.bodies<Durable>(MessageType.Durable).map(({ runsVersion }) => runsVersion);
  await waitFor("the change", () => versions().length > 1, versions);
  assert.deepEqual(versions(), [0, 1]);
});

Deno.test("desk: commits of a followed run come coalesced, with what was committed and nothing else", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const [viewer, other] = [core.viewer(), core.viewer()];
  follow(viewer, "a");
  follow(other, "b");
  assert.deepEqual([...core.durable.followed].toSorted(), ["a", "b"]);
  core.durable.commit("a", [["loss", 1, 10, 0.5], ["return", 1, null, NaN]]);
  core.durable.commit("a", [["loss", 2, 11, 0.25]]);
  core.durable.commit("c", [["loss", 3, 1, 1]]);
  const { rows, missed, samples } = await nextCommits(viewer);
  assert.deepEqual([rows, missed], [{ samples: 3 }, false]);
  const read = samples.map(({ name, timeUnixS, step, value }) => [
    name,
    ...[timeUnixS, step, value].map((column) => [...decodeF64(column)]),
  ]);
  assert.deepEqual(read, [
    ["loss", [1, 2], [10, 11], [0.5, 0.25]],
    ["return", [1], [NaN], [NaN]],
  ]);
  assert.equal(commits(viewer).length, 1);
  assert.equal(commits(other).length, 0);
});

Deno.test("desk: runs are followed while somebody follows them", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const [first, second] = [core.viewer(), core.viewer()];
  follow(first, "a");
  follow(second, "a");
  follow(first, null);
  assert.deepEqual([...core.durable.followed], ["a"]);
  second.session.onTransportClosed();
  assert.deepEqual([...core.durable.followed], []);
  core.durable.commit("a", [["loss", 1, 1, 1]]);
});

Deno.test("desk: too many samples between two messages are told as missed, not sent in part", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer();
  follow(viewer, "a");
  const count = 10_000;
  const many = Array.from(
    { length: count },
    (_, index): [string, number, number, number] => ["loss", index, index, index],
  );
  core.durable.commit("a", many);
  const first = await nextCommits(viewer);
  assert.deepEqual(first, { run: "a", rows: { samples: count }, missed: true, samples: [] });
  core.durable.commit("a", [["loss", count, count, 1]]);
  const second = await nextCommits(viewer, 1);
  assert.deepEqual([second.missed, second.samples.length], [false, 1], "afterwards as before");
  core.durable.commit("a", many.slice(0, Math.floor(SAMPLES_BYTES_MAX / 40)));
  await nextCommits(viewer, 2);
  const bytes = viewer.lane.messages.filter(({ type }) => type === MessageType.Commits)
    .map(({ body }) => body.byteLength);
  assert.ok(Math.max(...bytes) < 2 * SAMPLES_BYTES_MAX, `${bytes}`);
});

Deno.test("desk: what the feed left out is told as missed", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer();
  follow(viewer, "a");
  core.durable.miss("a");
  assert.equal((await nextCommits(viewer)).missed, true);
});

Deno.test("desk: a viewer that is behind is sent nothing, and told that it missed when it has caught up", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const [behind, prompt] = [core.viewer(), core.viewer()];
  follow(behind, "a");
  follow(prompt, "a");
  behind.lane.bytesPending = 2 ** 17;
  core.durable.commit("a", [["loss", 1, 1, 1]]);
  core.durable.become({ state: "slow", reason: "the disk is slow" });
  assert.equal((await nextCommits(prompt)).missed, false);
  assert.equal(commits(behind).length, 0);
  behind.lane.bytesPending = 0;
  assert.deepEqual(await nextCommits(behind), { run: "a", rows: {}, missed: true, samples: [] });
  assert.equal(behind.lane.last<Durable>(MessageType.Durable)!.state, "slow");
  core.durable.commit("a", [["loss", 2, 2, 2]]);
  assert.equal((await nextCommits(behind, 1)).missed, false);
  assert.equal(commits(prompt).length, 2);
});

Deno.test("desk: a route is set by who may control, and all are told", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  core.durable.connect([WORKER]);
  const [owner, guest] = [core.viewer(), core.viewer(VIEW_TOKEN)];
  const route = (viewer: TestViewer, prefer: string) =>
    viewer.receive(encodeJson(MessageType.Route, 0, { run: "a", prefer }));
  route(guest, "grpc");
  assert.equal(core.durable.routeOf("a"), "auto");
  assert.equal(guest.lane.bye, null);
  route(owner, "grpc");
  assert.equal(core.durable.routeOf("a"), "grpc");
  assert.equal(guest.lane.last<Durable>(MessageType.Durable)!.routes[0]!.prefer, "grpc");
});
