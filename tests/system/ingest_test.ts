/** The ingest process as clients see it, behind a real server. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { openReader } from "../../core/storage/open.ts";
import { databasePath } from "../../core/storage/paths.ts";
import type { StoreReader } from "../../core/storage/store.ts";
import { ControlService } from "../../proto/gen/telebridge/v1/control_pb.ts";
import {
  type PublishRunStepsRequestSchema,
  PublishService,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { LogLevel } from "../../proto/gen/telebridge/v1/records_pb.ts";
import { RunService, RunState } from "../../proto/gen/telebridge/v1/runs_pb.ts";
import { TestBox } from "../harness/box.ts";
import { childOf } from "../harness/processes.ts";
import {
  column,
  columnBuffer,
  type Ending,
  IngestClient,
  stepColumns,
  streamId,
} from "../harness/grpc.ts";
import { Serve, type ServeOptions } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

type MessageInit = Omit<
  Exclude<
    MessageInitShape<typeof PublishRunStepsRequestSchema>,
    { $typeName: "telebridge.v1.PublishRunStepsRequest" }
  >,
  "open"
>;

async function started(box: TestBox, options?: ServeOptions) {
  const serve = await Serve.start(box, options);
  const client = IngestClient.connect(box, { target: `unix:${box.dataDir}/ingest.sock` });
  return { serve, client };
}

function reader(box: TestBox): StoreReader {
  return openReader(databasePath(box.dataDir))!;
}

/** How a promise of an answer fails. */
async function failure(answer: Promise<unknown>): Promise<Ending> {
  try {
    await answer;
  } catch (error) {
    return error as Ending;
  }
  throw new Error("the call was answered");
}

Deno.test("ingest: steps are committed, then synced, and stored as they were sent", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const call = client.publish("publishRunSteps");
  call.send({ open: { runId: "walker", streamId: streamId(), wantSynced: true } });
  call.send({ firstSequence: 1n, columns: stepColumns(1, 100) });
  call.send({
    firstSequence: 101n,
    rows: [{ step: 101n, timeUnixNs: 5n, reward: NaN, truncated: true, extraJson: '{"x":1}' }],
  });
  await call.synced(101);
  assert.equal(call.acks[0]!.committedSequence, 0n, "the first ack tells where to begin");
  for (const { syncedSequence, committedSequence } of call.acks) {
    assert(syncedSequence <= committedSequence);
  }
  call.end();
  assert.equal((await call.ended()).code, grpc.status.OK);
  using stored = reader(box);
  const { rows } = stored.steps("walker", {}, null, 1000);
  assert.deepEqual([...rows.step], Array.from({ length: 101 }, (_, index) => BigInt(index + 1)));
  assert.equal(rows.reward[99], 50);
  assert(Number.isNaN(rows.reward[100]));
  assert.deepEqual([rows.flags[100], rows.extraJson![100]], [2, '{"x":1}']);
});

Deno.test("ingest: samples, episodes, logs, params and histograms have their calls", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const open = { runId: "all-kinds", streamId: streamId() };
  const samples = client.publish("publishSamples").send({
    open,
    firstSequence: 1n,
    columns: {
      definitions: [{ index: 9, name: "loss" }, { index: 3, name: "return" }],
      series: column(Uint32Array.of(9, 3, 9)),
      timeUnixNs: column(BigInt64Array.of(1n, 2n, 3n)),
      value: column(Float64Array.of(0.5, Infinity, NaN)),
    },
    rows: [{ series: "speed", timeUnixNs: 4n, step: 7n, value: 1 }],
  });
  samples.send({
    firstSequence: 5n,
    columns: {
      series: column(Uint32Array.of(3)),
      timeUnixNs: column(BigInt64Array.of(5n)),
      step: column(BigUint64Array.of(8n)),
      value: column(Float64Array.of(2)),
    },
  });
  const episodes = client.publish("publishRunEpisodes").send({
    open,
    firstSequence: 1n,
    rows: [{ episode: 1n, startTimeUnixNs: 1n, endTimeUnixNs: 9n, length: 4n, episodeReturn: -2 }],
  });
  const logs = client.publish("publishLogs").send({
    open,
    firstSequence: 1n,
    rows: [{ timeUnixNs: 1n, source: "stdout", text: "héllo\n" }, { level: LogLevel.ERROR }],
  });
  const params = client.publish("publishParams").send({
    open,
    firstSequence: 1n,
    rows: [{ key: "lr", valueJson: "0.1" }, { key: "lr", valueJson: "0.2" }],
  });
  const histograms = client.publish("publishHistograms").send({
    open,
    firstSequence: 1n,
    rows: [{ series: "weights", timeUnixNs: 1n, edges: [0, 1, 2], counts: [3n, 4n] }],
  });
  const calls = { samples: 5, episodes: 1, logs: 2, params: 2, histograms: 1 };
  for (
    const [call, rows] of [[samples, 5], [episodes, 1], [logs, 2], [params, 2], [
      histograms,
      1,
    ]] as const
  ) {
    await call.committed(rows);
    assert.equal((await call.end().ended()).code, grpc.status.OK);
  }
  const { run } = await client.ask("getRun", { runId: "all-kinds" });
  for (const [kind, rows] of Object.entries(calls)) {
    assert.equal(run!.counts![kind as keyof typeof calls], BigInt(rows), kind);
  }
  assert.deepEqual(run!.series.toSorted(), ["loss", "return", "speed"]);
  assert.deepEqual(run!.params.map(({ key, valueJson }) => [key, valueJson]), [["lr", "0.2"]]);
  using stored = reader(box);
  const { rows } = stored.samples("all-kinds", {}, null, 100);
  const seen = [...rows.series].map((number, index) => [rows.names[number], rows.value[index]]);
  assert.deepEqual(seen.slice(0, 3), [["loss", 0.5], ["return", Infinity], ["loss", NaN]]);
  assert.deepEqual(seen.slice(3), [["speed", 1], ["return", 2]]);
  assert.deepEqual(stored.logs("all-kinds", {}, null, 10).rows.map(({ level }) => level), [2, 4]);
  const listed = await client.ask("listHistograms", { runId: "all-kinds" });
  assert.deepEqual(listed.histograms.map(({ edges, counts }) => [edges, counts]), [
    [[0, 1, 2], [3n, 4n]],
  ]);
});

Deno.test("ingest: runs are registered, listed, changed, finished and deleted", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const registration = { runId: "a", streamId: streamId(), tags: ["x"], metadataJson: '{"pid":1}' };
  const first = await client.ask("registerRun", registration);
  assert(first.created && first.instance !== "");
  const again = await client.ask("registerRun", registration);
  assert.deepEqual([again.created, again.instance], [false, first.instance]);
  await client.ask("registerRun", { runId: "b", streamId: streamId() });
  const tagged = await client.ask("listRuns", { tags: ["x"] });
  assert.deepEqual(tagged.runs.map(({ runId }) => runId), ["a"]);
  const pages: string[] = [];
  let pageToken = "";
  do {
    const page = await client.ask("listRuns", { pageSize: 1, pageToken });
    pages.push(...page.runs.map(({ runId }) => runId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  assert.deepEqual(pages.toSorted(), ["a", "b"]);
  const { run } = await client.ask("updateRun", { runId: "a", addTags: ["y"], note: "good" });
  assert.deepEqual([run!.tags.toSorted(), run!.note], [["x", "y"], "good"]);
  await client.ask("finishRun", { runId: "a", state: RunState.FAILED, reason: "nan" });
  const finished = (await client.ask("getRun", { runId: "a" })).run!;
  assert.deepEqual([finished.state, finished.reason], [RunState.FAILED, "nan"]);
  await client.ask("deleteRun", { runId: "a" });
  const gone = await failure(client.ask("getRun", { runId: "a" }));
  assert.equal(gone.code, grpc.status.NOT_FOUND);
});

Deno.test("ingest: a run that is being published is not deleted", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const call = client.publish("publishRunSteps").send({
    open: { runId: "busy", streamId: streamId() },
  });
  await call.committed(0);
  const refused = await failure(client.ask("deleteRun", { runId: "busy" }));
  assert.equal(refused.code, grpc.status.FAILED_PRECONDITION);
  await call.end().ended();
  await client.ask("deleteRun", { runId: "busy" });
});

Deno.test("ingest: what is sent again is passed over, a gap ends the call and says where to go on", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const open = { runId: "again", streamId: streamId() };
  const first = client.publish("publishRunSteps");
  first.send({ open, firstSequence: 1n, columns: stepColumns(1, 10) });
  await first.committed(10);
  first.cancel();
  const second = client.publish("publishRunSteps");
  second.send({ open, firstSequence: 6n, columns: stepColumns(6, 10) });
  await second.committed(15);
  assert.equal(second.acks[0]!.committedSequence, 10n);
  second.send({ firstSequence: 17n, columns: stepColumns(17, 1) });
  const ending = await second.ended();
  assert.equal(ending.code, grpc.status.ABORTED);
  assert.match(ending.details, /go on from sequence 16/);
  assert.deepEqual(ending.metadata.get("next-sequence"), ["16"]);
  const third = client.publish("publishRunSteps");
  third.send({ open, firstSequence: 17n, columns: stepColumns(17, 1) }).end();
  assert.equal((await third.ended()).code, grpc.status.ABORTED, "also to who has sent all");
  using stored = reader(box);
  const { rows } = stored.steps("again", {}, null, 100);
  assert.deepEqual([...rows.step], Array.from({ length: 15 }, (_, index) => BigInt(index + 1)));
});

Deno.test("ingest: a message that cannot be stored costs its call alone, and nothing of it is stored", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const open = { runId: "strict", streamId: streamId() };
  const good = client.publish("publishLogs").send({ open });
  const columns = stepColumns(1, 3);
  const { step, timeUnixNs } = columns;
  const bad: [string, MessageInit, RegExp][] = [
    [
      "uneven",
      { columns: { ...columns, episode: step.subarray(8) } },
      /episode has 2 values, not 3/,
    ],
    ["odd bytes", { columns: { ...columns, step: step.subarray(1) } }, /no multiple of 8/],
    ["no column", { columns: { step, timeUnixNs } }, /column \w+ has 0 values, not 3/],
    ["flags", { columns: { ...columns, flags: Uint8Array.of(0, 4, 0) } }, /unknown flags 4/],
    ["json", { rows: [{ extraJson: "{" }] }, /no JSON/],
    ["json array", { rows: [{ extraJson: "[]" }] }, /no object/],
    ["huge step", { rows: [{ step: 2n ** 63n }] }, /beyond/],
  ];
  const steps = () => client.publish("publishRunSteps");
  for (const [what, request, message] of bad) {
    const ending = await steps().send({ open, firstSequence: 1n, ...request }).ended();
    assert.equal(ending.code, grpc.status.INVALID_ARGUMENT, what);
    assert.match(ending.details, message);
  }
  const opens: [string, { runId: string; streamId: Uint8Array } | undefined][] = [
    ["no open", undefined],
    ["no name", { runId: "", streamId: streamId() }],
    ["a path", { runId: "../x", streamId: streamId() }],
    ["reserved", { runId: "x.via-grpc", streamId: streamId() }],
    ["short stream", { runId: "x", streamId: new Uint8Array(15) }],
  ];
  for (const [what, open] of opens) {
    const ending = await steps().send({ open, firstSequence: 1n, columns }).ended();
    assert.equal(ending.code, grpc.status.INVALID_ARGUMENT, what);
  }
  const undefinedSeries = client.publish("publishSamples").send({
    open,
    firstSequence: 1n,
    columns: {
      series: column(Uint32Array.of(1)),
      timeUnixNs: column(BigInt64Array.of(1n)),
      value: column(Float64Array.of(1)),
    },
  });
  assert.match((await undefinedSeries.ended()).details, /series 1, which is not defined/);
  good.send({ firstSequence: 1n, rows: [{ text: "still here" }] });
  await good.committed(1);
  using stored = reader(box);
  assert.equal(stored.run("strict")!.counts.steps, 0);
});

Deno.test("ingest: the good messages before a bad one are stored", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box, { args: ["--batch-ms=500", "--batch-records=8192"] });
  const call = client.publish("publishRunSteps");
  call.send({
    open: { runId: "half", streamId: streamId() },
    firstSequence: 1n,
    columns: stepColumns(1, 5),
  });
  call.send({ firstSequence: 6n, rows: [{ step: 6n }, { step: 2n ** 63n }] });
  call.send({ firstSequence: 8n, columns: stepColumns(8, 5) });
  const ending = await call.ended();
  assert.equal(ending.code, grpc.status.INVALID_ARGUMENT);
  assert.equal(call.ack!.committedSequence, 5n);
  using stored = reader(box);
  assert.equal(stored.run("half")!.counts.steps, 5);
});

Deno.test("ingest: TCP needs the token; one that may watch only reads", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box, { args: ["--view-token"] });
  const target = `127.0.0.1:${serve.ready.grpcPort}`;
  const control = IngestClient.connect(box, { target, token: serve.ready.token });
  await control.ask("registerRun", { runId: "guarded", streamId: streamId() });
  const stranger = IngestClient.connect(box, { target });
  const guesser = IngestClient.connect(box, { target, token: "x".repeat(43) });
  const viewer = IngestClient.connect(box, { target, token: serve.ready.viewToken! });
  const reads = new Set(["listRuns", "getRun", "listHistograms", "listCheckpoints"].concat(
    ["streamRunSteps", "streamRunSamples", "fetchCheckpoint"],
  ));
  for (const service of [PublishService, RunService, ControlService]) {
    for (const method of service.methods) {
      for (const client of [stranger, guesser]) {
        const ending = await client.endOf(service, method);
        assert.equal(ending.code, grpc.status.UNAUTHENTICATED, method.name);
      }
      const { code } = await viewer.endOf(service, method);
      assert.equal(
        code === grpc.status.PERMISSION_DENIED,
        !reads.has(method.localName),
        method.name,
      );
    }
  }
  assert.equal((await viewer.ask("listRuns", {})).runs.length, 1);
});

Deno.test("ingest: the socket is its user's alone, and there is no other way in without a token", async () => {
  await using box = await TestBox.create();
  const { serve } = await started(box);
  const { mode } = Deno.lstatSync(`${box.dataDir}/ingest.sock`);
  assert.equal(mode! & 0o077, 0);
  for (const name of ["telebridge.db", "telebridge.db-wal"]) {
    const file = await waitFor(name, () => {
      try {
        return Deno.lstatSync(`${box.dataDir}/${name}`);
      } catch {
        return null;
      }
    });
    assert.equal(file.mode! & 0o077, 0, name);
  }
  const { grpc: found } = await (await serve.fetch("/api/endpoints")).json();
  assert.deepEqual(found, {
    unixSocket: `${box.dataDir}/ingest.sock`,
    port: serve.ready.grpcPort,
    remote: null,
  });
  const unasked = await fetch(`${serve.origin}/api/endpoints`);
  await unasked.body?.cancel();
  assert.equal(unasked.status, 401);
});

Deno.test("ingest: another address has TLS, and the certificate that clients are told of", async () => {
  await using box = await TestBox.create();
  const { serve } = await started(box, { args: ["--grpc-host=127.0.0.1", "--tls=self-signed"] });
  const http = Deno.createHttpClient({
    caCerts: [Deno.readTextFileSync(`${box.dataDir}/tls-cert.pem`)],
  });
  const answer = await fetch(`https://127.0.0.1:${serve.ready.port}/api/endpoints`, {
    client: http,
    headers: { authorization: `Bearer ${serve.ready.token}` },
  } as RequestInit);
  const { grpc: { remote } } = await answer.json();
  http.close();
  assert.equal(remote.host, "127.0.0.1");
  const target = `localhost:${remote.port}`; // grpc-js's client takes no address here, on Deno
  const credentials = grpc.credentials.createSsl(Buffer.from(remote.certificatePem));
  const stranger = IngestClient.connect(box, { target, credentials });
  const refused = await failure(stranger.ask("listRuns", {}));
  assert.equal(refused.code, grpc.status.UNAUTHENTICATED, refused.details);
  const client = IngestClient.connect(box, { target, credentials, token: serve.ready.token });
  await client.ask("registerRun", { runId: "far", streamId: streamId() });
  assert.equal((await client.ask("listRuns", {})).runs.length, 1);
});

Deno.test("ingest: killed, it comes back on the same port, and clients go on where they were", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const target = `127.0.0.1:${serve.ready.grpcPort}`;
  const client = IngestClient.connect(box, { target, token: serve.ready.token });
  const open = { runId: "phoenix", streamId: streamId() };
  const call = client.publish("publishRunSteps");
  call.send({ open, firstSequence: 1n, columns: stepColumns(1, 200) });
  await call.committed(200);
  const pid = childOf(serve.pid, "ingest")!;
  const { instance } = await client.ask("registerRun", open);
  Deno.kill(pid, "SIGKILL");
  await call.ended();
  const health = await waitFor("it to be down", async () => {
    const { durable } = await (await serve.fetch("/healthz")).json();
    return durable.state === "down" ? durable : null;
  });
  assert.match(health.reason, /SIGKILL/);
  const next = await waitFor("it to be back", async () => {
    try {
      return await client.ask("registerRun", open);
    } catch {
      return null;
    }
  });
  assert.notEqual(next.instance, instance);
  assert.equal(next.committed!.steps, 200n);
  const second = client.publish("publishRunSteps");
  second.send({ open, firstSequence: 151n, columns: stepColumns(151, 100) });
  await second.committed(250);
  using stored = reader(box);
  const { rows } = stored.steps("phoenix", {}, null, 1000);
  assert.deepEqual([...rows.step], Array.from({ length: 250 }, (_, index) => BigInt(index + 1)));
  const metrics = await (await serve.fetch("/metrics")).text();
  assert.match(metrics, /^telebridge_ingest_restarts_total 1$/m);
});

Deno.test("ingest: Ctrl-C commits and acknowledges what was received", async () => {
  await using box = await TestBox.create();
  const { serve, client } = await started(box, {
    args: ["--batch-ms=10000", "--batch-records=8192"],
  });
  const call = client.publish("publishRunSteps");
  call.send({ open: { runId: "last", streamId: streamId() } });
  await call.committed(0);
  call.send({ firstSequence: 1n, columns: stepColumns(1, 10) });
  await waitFor(
    "the rows to be queued",
    async () =>
      /^telebridge_ingest_queue_rows 10$/m.test(await (await serve.fetch("/metrics")).text()),
  );
  const pid = childOf(serve.pid, "ingest")!;
  await serve.stop();
  assert.equal((await call.ended()).code, grpc.status.UNAVAILABLE);
  assert.equal(call.ack!.committedSequence, 10n);
  assert.throws(() => Deno.lstatSync(`/proc/${pid}`), Deno.errors.NotFound);
  assert.throws(() => Deno.lstatSync(`${box.dataDir}/ingest.sock`), Deno.errors.NotFound);
  using stored = reader(box);
  assert.equal(stored.run("last")!.counts.steps, 10);
});

Deno.test("ingest: it ends with a server that is killed, and the next one goes on", async () => {
  await using box = await TestBox.create();
  const { serve, client } = await started(box);
  const call = client.publish("publishRunSteps");
  call.send({
    open: { runId: "orphan", streamId: streamId() },
    firstSequence: 1n,
    columns: stepColumns(1, 10),
  });
  await call.committed(10);
  const pid = childOf(serve.pid, "ingest")!;
  await serve.kill();
  await waitFor("its end", () => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ");
    } catch {
      return true;
    }
  });
  await started(box);
  const { committed } = await waitFor("the next one", async () => {
    try {
      return await client.ask("registerRun", { runId: "orphan", streamId: streamId() });
    } catch {
      return null;
    }
  });
  assert.equal(committed!.steps, 10n);
});

Deno.test("ingest: a subscription tells the history and then the present, nothing twice", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const open = { runId: "told", streamId: streamId() };
  const call = client.publish("publishRunSteps");
  call.send({ open, firstSequence: 1n, columns: stepColumns(1, 5000) });
  await call.committed(5000);
  const all = client.stream("streamRunSteps", { runId: "told", follow: true });
  const late = client.stream("streamRunSteps", {
    runId: "told",
    follow: true,
    start: { start: { case: "live", value: true } },
  });
  const part = client.stream("streamRunSteps", {
    runId: "told",
    start: { start: { case: "step", value: 4990n } },
  });
  assert.equal((await part.ended()).code, grpc.status.OK);
  const stepsOf = (stream: typeof all) =>
    stream.answers.flatMap(({ columns }) => [
      ...new BigUint64Array(columnBuffer(columns!.step)),
    ]);
  assert.deepEqual(stepsOf(part), Array.from({ length: 11 }, (_, index) => BigInt(4990 + index)));
  await waitFor("the history", () => stepsOf(all).length === 5000);
  let sent = 5000;
  // One that says "live" may begin a moment later: it has begun when it has told something.
  await waitFor("the present", async () => {
    call.send({ firstSequence: BigInt(sent + 1), columns: stepColumns(sent + 1, 100) });
    sent += 100;
    await call.committed(sent);
    return late.answers.length > 2;
  });
  await waitFor(
    "all of it",
    () => stepsOf(all).length === sent && stepsOf(late).at(-1) === BigInt(sent),
  );
  assert.deepEqual(stepsOf(all), Array.from({ length: sent }, (_, index) => BigInt(index + 1)));
  const told = stepsOf(late);
  assert(told[0]! > 5000n);
  assert.deepEqual(
    told,
    Array.from({ length: told.length }, (_, index) => told[0]! + BigInt(index)),
  );
  all.cancel();
  late.cancel();
});

Deno.test("ingest: samples are told with the series that was asked for", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const call = client.publish("publishSamples").send({
    open: { runId: "chosen", streamId: streamId() },
    firstSequence: 1n,
    rows: ["a", "b", "a"].map((series, index) => ({ series, timeUnixNs: 1n, value: index })),
  });
  await call.committed(3);
  const stream = client.stream("streamRunSamples", { runId: "chosen", series: ["a"] });
  assert.equal((await stream.ended()).code, grpc.status.OK);
  const [answer] = stream.answers;
  assert.deepEqual(answer!.columns!.definitions.map(({ name }) => name), ["a"]);
  assert.deepEqual([...new Float64Array(columnBuffer(answer!.columns!.value))], [0, 2]);
  const absent = client.stream("streamRunSamples", { runId: "absent" });
  assert.equal((await absent.ended()).code, grpc.status.NOT_FOUND);
});

Deno.test("ingest: a checkpoint's bytes are kept once, fetched whole, and leave with their last run", async () => {
  await using box = await TestBox.create();
  const { client } = await started(box);
  const bytes = crypto.getRandomValues(new Uint8Array(40_000));
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const upload = (runId: string, sha?: Uint8Array) =>
    client.checkpoint([
      {
        part: {
          case: "header",
          value: { runId, streamId: streamId(), checkpoint: { name: "best.pt", sha256: sha } },
        },
      },
      { part: { case: "chunk", value: bytes.subarray(0, 30_000) } },
      { part: { case: "chunk", value: bytes.subarray(30_000) } },
    ]);
  const first = await upload("one", sha256);
  assert.equal(first.deduplicated, false);
  assert.equal(first.checkpoint!.sha256.toHex(), sha256.toHex());
  assert.equal((await upload("two")).deduplicated, true);
  const wrong = await failure(upload("two", new Uint8Array(32)));
  assert.equal(wrong.code, grpc.status.INVALID_ARGUMENT);
  const { checkpoints } = await client.ask("listCheckpoints", { runId: "two" });
  assert.deepEqual(checkpoints.map(({ name, sizeBytes }) => [name, sizeBytes]), [
    ["best.pt", 40_000n],
  ]);
  const fetched = client.stream("fetchCheckpoint", { runId: "one", sha256 });
  assert.equal((await fetched.ended()).code, grpc.status.OK);
  const whole = new Uint8Array(fetched.answers.flatMap(({ chunk }) => [...chunk]));
  assert.deepEqual(whole, bytes);
  const file = `${box.dataDir}/files/${sha256.toHex().slice(0, 2)}/${sha256.toHex()}`;
  await client.ask("deleteRun", { runId: "one" });
  assert(Deno.lstatSync(file).isFile, "another run has it still");
  await client.ask("deleteRun", { runId: "two" });
  assert.throws(() => Deno.lstatSync(file), Deno.errors.NotFound);
  assert.deepEqual([...Deno.readDirSync(`${box.dataDir}/files/incoming`)], []);
});

Deno.test("ingest: a checkpoint's bytes that a killed process left without a run go at the next start", async () => {
  await using box = await TestBox.create();
  const { serve, client } = await started(box);
  const stored = await client.checkpoint([
    {
      part: {
        case: "header",
        value: { runId: "one", streamId: streamId(), checkpoint: { name: "best.pt" } },
      },
    },
    { part: { case: "chunk", value: new Uint8Array(100) } },
  ]);
  const named = stored.checkpoint!.sha256.toHex();
  const left = "ab".repeat(32);
  const files = `${box.dataDir}/files`;
  const isThere = (path: string) => {
    try {
      return Deno.lstatSync(`${files}/${path}`).isFile;
    } catch {
      return false;
    }
  };
  assert(!isThere(`unsettled/${named}`), "a run has it");
  await serve.stop();
  Deno.mkdirSync(`${files}/ab`, { recursive: true });
  for (const path of [`ab/${left}`, `unsettled/${left}`, `unsettled/${named}`]) {
    Deno.writeTextFileSync(`${files}/${path}`, "");
  }
  await started(box);
  await waitFor("it to go", () => !isThere(`ab/${left}`));
  await waitFor("all to be settled", () => !isThere(`unsettled/${named}`));
  assert(isThere(`${named.slice(0, 2)}/${named}`));
  assert(!isThere(`unsettled/${left}`));
});

Deno.test("ingest: where it cannot start, the live lane works and says why", async () => {
  await using box = await TestBox.create();
  await Deno.writeTextFile(`${box.dataDir}/telebridge.db`, "this is no database".repeat(1000));
  const serve = await Serve.start(box);
  const durable = await waitFor("the reason", async () => {
    const health = await (await serve.fetch("/healthz")).json();
    assert.equal(health.state, "ok");
    return health.durable.state === "failing" ? health.durable : null;
  });
  assert.match(durable.reason, /database/);
  const client = IngestClient.connect(box, { target: `unix:${box.dataDir}/ingest.sock` });
  const call = client.publish("publishRunSteps").send({
    open: { runId: "no-store", streamId: streamId() },
    firstSequence: 1n,
    columns: stepColumns(1, 1),
  });
  assert.equal((await call.ended()).code, grpc.status.UNAVAILABLE);
  assert.equal(call.ack, undefined);
});
