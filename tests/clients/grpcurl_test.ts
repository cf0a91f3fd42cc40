/** A gRPC client by other people, grpcurl on grpc-go, which knows of us what dist/telebridge.binpb says. */

import assert from "node:assert/strict";
import { ROOT, TestBox } from "../harness/box.ts";
import { goTool } from "../harness/go_tool.ts";
import type { Serve } from "../harness/serve.ts";
import { startServer } from "./server.ts";

const CALL_SECONDS_MAX = 20;
const DESCRIPTORS = `${ROOT}dist/telebridge.binpb`;

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const grpcurl = goTool("grpcurl", "a client on grpc-go");

/** Its output, which is JSON messages one after another, and what it says of a status that is not OK. */
async function ask(args: string[], requests: object[] = []) {
  const limit = ["-max-time", `${CALL_SECONDS_MAX}`, "-plaintext", "-protoset", DESCRIPTORS];
  const child = new Deno.Command(grpcurl!, {
    args: [...limit, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = new Blob(requests.map((request) => JSON.stringify(request) + "\n")).stream();
  const [{ success, stdout, stderr }] = await Promise.all([
    child.output(),
    input.pipeTo(child.stdin).catch(() => {}), // it may end before it has read that
  ]);
  return { success, stdout: decode(stdout), stderr: decode(stderr) };
}

// deno-lint-ignore no-explicit-any -- JSON of any message
type Answer = any;

/** Calls a method with these requests; all answers. Throws for a status that is not OK. */
async function call(where: string[], method: string, ...requests: object[]): Promise<Answer[]> {
  const [address, ...headers] = where;
  const target = [address!, `telebridge.v1.${method}`];
  const { success, stdout, stderr } = await ask([...headers, "-d", "@", ...target], requests);
  if (!success) throw new Error(stderr);
  return JSON.parse(`[${stdout.trim().replaceAll(/^\}\n\{/gm, "},\n{")}]`);
}

function byTcp({ ready: { grpcPort, token } }: Serve): string[] {
  return [`127.0.0.1:${grpcPort}`, "-H", `authorization: Bearer ${token}`];
}

function u64s(base64: string): bigint[] {
  return [...new BigUint64Array(Uint8Array.fromBase64(base64).buffer)];
}

function grpcurlTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `grpcurl: ${name}`, ignore: grpcurl === null, fn });
}

grpcurlTest("the descriptors list and describe the services", async () => {
  const { stdout } = await ask(["list"]);
  const services = ["ControlService", "PublishService", "RunService"];
  assert.deepEqual(stdout.trim().split("\n"), services.map((name) => `telebridge.v1.${name}`));
  const described = await ask(["describe", "telebridge.v1.PublishAck"]);
  assert.match(described.stdout, /uint64 committed_sequence = 1;/);
});

grpcurlTest("a run is published, acknowledged and read back", async () => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const where = byTcp(serve);
  const runId = box.runId("grpcurl");
  const streamId = crypto.getRandomValues(new Uint8Array(16)).toBase64();
  const open = { runId, streamId };
  const timeUnixNs = `${BigInt(Date.now()) * 1_000_000n}`;
  await call(where, "RunService/RegisterRun", {
    ...{ runId, streamId, startTimeUnixNs: timeUnixNs },
    tags: ["by-hand"],
    metadataJson: '{"by":"grpcurl"}',
  });
  const step = (number: number) => ({ step: number, timeUnixNs, episode: 1, reward: number / 2 });
  const acks = await call(
    where,
    "PublishService/PublishRunSteps",
    { open, firstSequence: 1, rows: [step(0), step(1)] },
    { firstSequence: 3, rows: [{ ...step(2), terminated: true, extraJson: '{"a":"größer"}' }] },
  );
  assert.equal(acks.at(-1).committedSequence, "3");
  await call(where, "PublishService/PublishSamples", {
    open,
    firstSequence: 1,
    rows: [{ series: "loss", timeUnixNs, step: 2, value: "Infinity" }],
  });

  const [streamed] = await call(where, "RunService/StreamRunSteps", { runId });
  assert.deepEqual(u64s(streamed.columns.step), [0n, 1n, 2n]);
  assert.deepEqual(streamed.columns.extraJson, ["", "", '{"a":"größer"}']);
  const [again] = await call(where, "PublishService/PublishRunSteps", { open, firstSequence: 1 });
  assert.equal(again.committedSequence, "3", "where the stream has got to");
  await assert.rejects(
    call(where, "PublishService/PublishRunSteps", { open, firstSequence: 9, rows: [step(9)] }),
    /Code: Aborted/,
  );
  await assert.rejects(
    call(where, "PublishService/PublishRunSteps", {
      open,
      firstSequence: 4,
      rows: [{ ...step(3), extraJson: "no JSON" }],
    }),
    /Code: InvalidArgument/,
  );

  const end = { state: "RUN_STATE_FINISHED", endTimeUnixNs: timeUnixNs };
  await call(where, "RunService/FinishRun", { runId, streamId, ...end });
  const [{ run }] = await call(where, "RunService/GetRun", { runId });
  assert.equal(run.state, "RUN_STATE_FINISHED");
  assert.deepEqual(run.tags, ["by-hand"]);
  assert.deepEqual(run.series, ["loss"]);
  assert.deepEqual([run.counts.steps, run.counts.samples], ["3", "1"]);
});

grpcurlTest("the socket asks for nothing, a port for the token", async () => {
  await using box = await TestBox.create();
  const serve = await startServer(box);
  const [listed] = await call([`unix://${box.dataDir}/ingest.sock`], "RunService/ListRuns", {});
  assert.deepEqual(listed, {});
  const [address] = byTcp(serve);
  await assert.rejects(call([address!], "RunService/ListRuns", {}), /Code: Unauthenticated/);
});
