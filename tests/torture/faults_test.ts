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

Deno.test("faults: whichever write of a commit fails, its rows are stored once, after it is tried again", async () => {
  await using box = await TestBox.create();
  const faults = await IoFaults.create(box, DATABASE);
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
  const commit = async (first: number): Promise<{ outcome?: string; unavailable?: string }> => {
    await writer.write(encoder.encode(`${first} ${ROWS}\n`));
    return JSON.parse(await lines.next("the child"));
  };

  let first = 1;
  const seenBefore = faults.writesSeen;
  assert.deepEqual(await commit(first), { outcome: "committed" });
  const writesPerCommit = faults.writesSeen - seenBefore;
  assert(writesPerCommit > 1, `a commit makes ${writesPerCommit} writes`);
  first += ROWS;
  const failures = new Map<string, number>();
  for (let n = 1; n <= writesPerCommit + 1; n++) {
    for (const errno of [EIO, ENOSPC]) {
      faults.failWrite(n, errno);
      let answer = await commit(first);
      faults.mend();
      if (answer.unavailable !== undefined) {
        failures.set(answer.unavailable, (failures.get(answer.unavailable) ?? 0) + 1);
        answer = await commit(first);
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
  await waitFor("them, synced", () => call.ack!.syncedSequence === BigInt(4 * ROWS), acked);
  await call.end();
  client.close();
});
