import assert from "node:assert/strict";
import type { Producer } from "../../ffi/producer.ts";
import { PixelFormat, type StreamState } from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { openLibrary } from "../harness/library.ts";
import { LiveClient } from "../harness/live_client.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

function segmentPath(run: string): string {
  return `/dev/shm/mosaic.run.${run}.fastlane`;
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function publish(producer: Producer): void {
  producer.publish({
    pixels: new Uint8Array(64),
    width: 8,
    height: 8,
    format: PixelFormat.Gray8,
  });
}

Deno.test("life: a producer killed and started again, under one subscription", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const client = await LiveClient.open(box, serve);
  const run = box.runId("killed");
  client.subscribe(1, run);
  await client.state("waiting");
  const epochs = new Set<string>();
  for (let life = 1; life <= 3; life++) {
    const producer = await TestProducer.start(box, planFor(run));
    const state: StreamState = await client.state("live");
    epochs.add(state.epoch);
    client.frames.length = 0;
    await client.framesCount(5);
    await producer.kill();
    const ended = await client.state("ended");
    assert.match(ended.message!, /the worker died/);
    assert(!exists(segmentPath(run)), "the dead one's segment is removed");
  }
  assert.equal(epochs.size, 3);
});

Deno.test("life: a server killed leaves nothing that its next start minds", async () => {
  await using box = await TestBox.create();
  const run = box.runId("served");
  await TestProducer.start(box, planFor(run, { gated: true }));
  const first = await Serve.start(box);
  const client = await LiveClient.open(box, first);
  client.subscribe(1, run);
  await client.framesCount(3);
  assert((await client.command(1, { command: "pause" })).ok);
  await first.kill();
  assert(exists(`${box.folder}/runtime/mosaic.run.${run}.sock`), "its socket is left behind");

  const second = await Serve.start(box);
  const again = await LiveClient.open(box, second);
  again.subscribe(1, run);
  // The killed server's pause and its place as the controller end with its lease.
  await again.stateWhere(
    "control of a run that goes on",
    ({ phase, controllable, paused }) => phase === "live" && controllable && !paused,
  );
  await again.framesCount(10);
});

Deno.test("life: the segment of a worker that died before the server came is removed", async () => {
  await using box = await TestBox.create();
  const run = box.runId("stale");
  const producer = await TestProducer.start(box, planFor(run));
  await producer.kill();
  assert(exists(segmentPath(run)));
  await Serve.start(box);
  await waitFor("its removal", () => !exists(segmentPath(run)));
});

Deno.test("life: a segment truncated while it is watched ends that run, and only that", async () => {
  await using box = await TestBox.create();
  const runs = { cut: box.runId("cut"), whole: box.runId("whole") };
  const cut = await TestProducer.start(box, planFor(runs.cut));
  await TestProducer.start(box, planFor(runs.whole));
  const serve = await Serve.start(box);
  const client = await LiveClient.open(box, serve);
  const witness = await LiveClient.open(box, serve);
  client.subscribe(1, runs.cut);
  witness.subscribe(1, runs.whole);
  await client.framesCount(3);
  // Stopped, so that it is the server that meets the hole.
  Deno.kill(cut.pid, "SIGSTOP");
  Deno.truncateSync(segmentPath(runs.cut), 4096);
  const state = await client.state("error");
  assert.match(state.message!, /truncated/);
  Deno.kill(cut.pid, "SIGCONT");
  await cut.kill();
  const seen = witness.frames.length;
  await witness.framesCount(seen + 10);
  const { runs: rows } = await (await serve.fetch("/api/runs")).json();
  const row = rows.find(({ id }: { id: string }) => id === runs.cut);
  assert.equal(row.phase, "error");
  Deno.removeSync(segmentPath(runs.cut));
});

Deno.test("life: a segment that somebody removes under a living worker ends that run", async () => {
  await using box = await TestBox.create();
  const run = box.runId("removed");
  await TestProducer.start(box, planFor(run));
  const serve = await Serve.start(box);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  await client.framesCount(3);
  Deno.removeSync(segmentPath(run));
  const ended = await client.state("ended");
  assert.equal(ended.message, "its segment was removed");
});

Deno.test("life: a segment that lies is an error of that run, shown and gone with it", async () => {
  await using box = await TestBox.create();
  const run = box.runId("liar");
  const path = segmentPath(run);
  const header = new Uint8Array(65_536);
  new DataView(header.buffer).setUint32(0, 0x41534f4d, true);
  new DataView(header.buffer).setUint32(4, 9, true);
  const serve = await Serve.start(box);
  Deno.writeFileSync(path, header, { mode: 0o600 });
  const phaseOf = async () => {
    const { runs } = await (await serve.fetch("/api/runs")).json();
    return runs.find(({ id }: { id: string }) => id === run);
  };
  try {
    const row = await waitFor("the run", phaseOf);
    assert.equal(row.phase, "error");
    assert.match(row.reason, /layout version is 9, expected 1/);
  } finally {
    Deno.removeSync(path);
  }
  await waitFor("its end", async () => await phaseOf() === undefined);
});

Deno.test("life: runs are listed as they come and go, to every viewer, without a restart", async () => {
  await using box = await TestBox.create();
  box.enter();
  using library = openLibrary();
  const serve = await Serve.start(box);
  const client = await LiveClient.open(box, serve);
  const run = box.runId("listed");
  const row = () => client.runs.find(({ id }) => id === run);
  {
    using producer = library.openProducer(run, 4096);
    publish(producer);
    const live = await waitFor("the run", () => row()?.frames === 1 && row());
    assert.equal(live.pid, Deno.pid);
    assert.deepEqual([live.width, live.height, live.format], [8, 8, PixelFormat.Gray8]);
    client.subscribe(1, run);
    await waitFor("a viewer", () => row()!.viewers === 1);
  }
  const ended = await waitFor("its end", () => row()?.phase === "ended" && row());
  assert.equal(ended.reason, "finished");
  assert(ended.endedAtMs! >= ended.startedAtMs);
});

Deno.test("life: a command is acknowledged when the worker has taken it, and told of when it has not", async () => {
  await using box = await TestBox.create();
  const run = box.runId("late");
  const producer = await TestProducer.start(box, planFor(run));
  const serve = await Serve.start(box);
  const client = await LiveClient.open(box, serve);
  client.subscribe(1, run);
  await client.framesCount(1);
  assert.deepEqual(await client.command(1, { command: "step" }), { id: 1, ok: true, taken: true });
  // A worker that hangs in a step takes nothing, until it goes on.
  Deno.kill(producer.pid, "SIGSTOP");
  const late = client.command(1, { command: "worker", code: 300, value: 0.5 });
  assert((await client.command(1, { command: "pause" })).ok, "which the ring's word does at once");
  Deno.kill(producer.pid, "SIGCONT");
  assert.equal((await late).taken, true);
  Deno.kill(producer.pid, "SIGSTOP");
  const begunAtMs = performance.now();
  assert.deepEqual(await client.command(1, { command: "step" }), { id: 4, ok: true, taken: false });
  assert(performance.now() - begunAtMs >= 1_900);
  Deno.kill(producer.pid, "SIGCONT");
  await waitFor("all four events", () => producer.inputs.length === 4, () => producer.inputs);
});
