/** Writes that fail, disks that are full, and fdatasyncs that take their time. */

import assert from "node:assert/strict";
import { databasePath, openReader } from "../../core/storage/open.ts";
import { ROOT, TestBox } from "../harness/box.ts";
import { LineReader } from "../harness/line_reader.ts";
import { Serve } from "../harness/serve.ts";
import { grpcClient, StepCall } from "../harness/step_call.ts";
import { sleep, waitFor } from "../harness/wait.ts";
import { EIO, ENOSPC, IoFaults } from "./io_faults.ts";
import { integrityComplaints, storedSteps } from "./kills.ts";

const DATABASE = "telebridge.db";
const STREAM_ID = new Uint8Array(16).fill(7);
const ROWS = 200;
/** Long enough for an ack that must not come to come. */
const NO_ACK_MS = 500;
/** Longer than the store waits before it tries again. */
const STATE_LOOKS = 60;
const STATE_LOOK_MS = 50;
const STOP_MS_MAX = 3_000;

/** A store in a process of its own (fault_child.ts). Returns what gives it a line and resolves to its answer. */
async function faultyStore(
  box: TestBox,
  faults: IoFaults,
): Promise<(line: string) => Promise<{ outcome?: string; unavailable?: string }>> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--quiet", "--cached-only"],
      ...[`${ROOT}tests/torture/fault_child.ts`, box.dataDir],
    ],
    env: { ...box.environment, ...faults.environment },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  box.onEnd(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
  const lines = new LineReader(child.stdout);
  await lines.next("the child");
  const writer = child.stdin.getWriter();
  const encoder = new TextEncoder();
  return async (line) => {
    await writer.write(encoder.encode(`${line}\n`));
    return JSON.parse(await lines.next("the child"));
  };
}

Deno.test("faults: whichever write of a commit fails, its rows are stored once, after it is tried again", async () => {
  await using box = await TestBox.create();
  const faults = await IoFaults.create(box, DATABASE);
  const commit = await faultyStore(box, faults);
  let first = 1;
  const seenBefore = faults.writesSeen;
  assert.deepEqual(await commit(`${first} ${ROWS}`), { outcome: "committed" });
  const writesPerCommit = faults.writesSeen - seenBefore;
  assert(writesPerCommit > 1, `a commit makes ${writesPerCommit} writes`);
  first += ROWS;
  const failures = new Map<string, number>();
  for (let n = 1; n <= writesPerCommit + 1; n++) {
    for (const errno of [EIO, ENOSPC]) {
      faults.failWrite(n, errno);
      let answer = await commit(`${first} ${ROWS}`);
      faults.mend();
      if (answer.unavailable !== undefined) {
        failures.set(answer.unavailable, (failures.get(answer.unavailable) ?? 0) + 1);
        answer = await commit(`${first} ${ROWS}`);
      }
      assert.deepEqual(answer, { outcome: "committed" }, `write ${n}, errno ${errno}`);
      first += ROWS;
    }
  }
  assert(failures.has("io") && failures.has("full"), JSON.stringify([...failures]));
  using reader = openReader(databasePath(box.dataDir))!;
  const steps = storedSteps(reader, "faulty");
  assert.equal(steps.length, first - 1);
  assert.equal(new Set(steps).size, steps.length);
  assert.deepEqual(integrityComplaints(box), []);
});

Deno.test("faults: while the disk is full nothing is acknowledged, everybody is told, and it goes on by itself", async () => {
  await using box = await TestBox.create();
  const faults = await IoFaults.create(box, DATABASE);
  const serve = await Serve.start(box, {
    args: ["--grpc-port=0"],
    environment: faults.environment,
  });
  const client = grpcClient(`unix:${box.dataDir}/ingest.sock`);
  const runId = box.runId("full");
  const call = new StepCall(client, { runId, streamId: STREAM_ID });
  await waitFor("the opening ack", () => call.ack);
  call.write(1n, ROWS);
  await waitFor("the first rows", () => call.ack!.committedSequence === BigInt(ROWS));

  faults.failWrite(1, ENOSPC, { lasts: true });
  call.write(BigInt(ROWS + 1), ROWS);
  await waitFor("the ack that tells of the trouble", () => call.ack!.reason !== "");
  await sleep(NO_ACK_MS);
  assert.equal(call.ack!.committedSequence, BigInt(ROWS));
  assert.match(call.ack!.reason, /full|space/i);
  const health = async () => await (await serve.fetch("/healthz")).json();
  const failing = await waitFor("/healthz", async () => {
    const seen = await health();
    return seen.durable.state === "failing" && seen;
  });
  assert.equal(failing.state, "ok", "the live lane is well");
  assert.match(failing.durable.reason, /full|space/i);
  assert((await serve.fetch("/api/runs")).ok);

  faults.mend();
  await waitFor("the rows", () => call.ack!.committedSequence === BigInt(2 * ROWS));
  await waitFor("/healthz to be well", async () => (await health()).durable.state === "ok");
  await call.end();
  client.close();
  await serve.stop();
  using reader = openReader(databasePath(box.dataDir))!;
  assert.deepEqual(
    [...storedSteps(reader, runId)],
    Array.from({ length: 2 * ROWS }, (_, index) => BigInt(index + 1)),
  );
  assert.deepEqual(integrityComplaints(box), []);
});

Deno.test("faults: a full disk stays one while nobody has rows to store, and `serve` stops at once", async () => {
  await using box = await TestBox.create();
  const faults = await IoFaults.create(box, DATABASE);
  const serve = await Serve.start(box, { environment: faults.environment });
  const client = grpcClient(`unix:${box.dataDir}/ingest.sock`);
  faults.failWrite(1, ENOSPC, { lasts: true });
  const call = new StepCall(client, { runId: box.runId("refused"), streamId: STREAM_ID });
  assert.match(await call.ended, /full|space/i);
  const state = async () => (await (await serve.fetch("/healthz")).json()).durable.state;
  await waitFor("/healthz", async () => await state() === "failing");
  for (let i = 0; i < STATE_LOOKS; i++) {
    assert.equal(await state(), "failing", `look ${i}`);
    await sleep(STATE_LOOK_MS);
  }
  faults.mend();
  await waitFor("/healthz to be well", async () => await state() === "ok");
  faults.failWrite(1, ENOSPC, { lasts: true });
  const again = new StepCall(client, { runId: box.runId("refused"), streamId: STREAM_ID });
  assert.match(await again.ended, /full|space/i);
  client.close();
  const stoppedAtMs = performance.now();
  await serve.stop();
  assert(performance.now() - stoppedAtMs < STOP_MS_MAX, "it waited for the disk");
});

Deno.test("faults: where a checkpoint's fsync failed, rows are synced by the database and not by the next fdatasync", async () => {
  await using box = await TestBox.create();
  const faults = await IoFaults.create(box, DATABASE);
  const store = await faultyStore(box, faults);
  const path = databasePath(box.dataDir);
  using _reader = openReader(path); // so that the WAL outlives the store's connection
  const walBytes = () => Deno.statSync(`${path}-wal`).size;
  assert.deepEqual(await store(`1 ${ROWS}`), { outcome: "committed" });
  assert.deepEqual(await store("sync"), { outcome: "synced" });
  assert(walBytes() > 0);
  faults.closeGate();
  const begunBefore = faults.syncsBegun;
  const answer = store(`${ROWS + 1} ${ROWS}`);
  await waitFor("the fsync of the WAL's new header", () => faults.syncsBegun > begunBefore);
  faults.permitSync();
  await waitFor("the checkpoint's", () => faults.syncsBegun > begunBefore + 1);
  faults.failSyncs(EIO);
  faults.openGate();
  assert.deepEqual(await answer, { unavailable: "io" });
  faults.mend();
  assert.deepEqual(await store("sync"), { outcome: "synced" });
  assert.equal(walBytes(), 0);
});

Deno.test("faults: no synced ack precedes an fdatasync that began after the rows were written", async () => {
  await using box = await TestBox.create();
  const faults = await IoFaults.create(box, `${DATABASE}-wal`);
  await Serve.start(box, { environment: faults.environment });
  const client = grpcClient(`unix:${box.dataDir}/ingest.sock`);
  const call = new StepCall(client, {
    runId: box.runId("synced"),
    streamId: STREAM_ID,
    synced: true,
  });
  const acked = () => [call.ack!.committedSequence, call.ack!.syncedSequence];
  await waitFor("the opening ack", () => call.ack);
  call.write(1n, ROWS);
  await waitFor("the first rows, synced", () => call.ack!.syncedSequence === BigInt(ROWS), acked);

  faults.closeGate();
  const begunBefore = faults.syncsBegun;
  call.write(BigInt(ROWS + 1), ROWS);
  await waitFor("the second rows", () => call.ack!.committedSequence === BigInt(2 * ROWS), acked);
  await waitFor("their fdatasync at the gate", () => faults.syncsBegun > begunBefore);
  // These are written while that fdatasync is under way: it does not count for them.
  call.write(BigInt(2 * ROWS + 1), ROWS);
  await waitFor("the third rows", () => call.ack!.committedSequence === BigInt(3 * ROWS), acked);
  await sleep(NO_ACK_MS);
  assert.equal(call.ack!.syncedSequence, BigInt(ROWS), "acknowledged while its fdatasync waits");

  faults.permitSync();
  await waitFor(
    "the second rows, synced",
    () => call.ack!.syncedSequence >= BigInt(2 * ROWS),
    acked,
  );
  await sleep(NO_ACK_MS);
  assert.equal(call.ack!.syncedSequence, BigInt(2 * ROWS), "acknowledged by an earlier fdatasync");
  faults.openGate();
  await waitFor(
    "the third rows, synced",
    () => call.ack!.syncedSequence === BigInt(3 * ROWS),
    acked,
  );

  faults.failSyncs(EIO);
  call.write(BigInt(3 * ROWS + 1), ROWS);
  await waitFor(
    "rows whose fdatasync fails",
    () => call.ack!.committedSequence === BigInt(4 * ROWS),
    acked,
  );
  await sleep(NO_ACK_MS);
  assert.equal(
    call.ack!.syncedSequence,
    BigInt(3 * ROWS),
    "acknowledged although fdatasync failed",
  );
  faults.mend();
  const walBytes = () => Deno.statSync(databasePath(box.dataDir) + "-wal").size;
  assert(walBytes() > 0);
  await waitFor("them, synced", () => call.ack!.syncedSequence === BigInt(4 * ROWS), acked);
  // A second fdatasync of the same pages would tell nothing: they are in the database, synced with it.
  assert.equal(walBytes(), 0);
  call.write(BigInt(4 * ROWS + 1), ROWS);
  await waitFor("rows after it", () => call.ack!.syncedSequence === BigInt(5 * ROWS), acked);
  assert(walBytes() > 0, "synced by fdatasync of the WAL again");
  await call.end();
  client.close();
});
