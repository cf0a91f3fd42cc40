import assert from "node:assert/strict";
import { encodeBinary, encodeJson, MessageType, WIRE_VERSION } from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { LiveClient } from "../harness/live_client.ts";
import { planFor } from "../harness/plans.ts";
import { TestProducer } from "../harness/producer.ts";
import { getRequest } from "../harness/raw_http.ts";
import { processUsage } from "../harness/process_usage.ts";
import { Serve } from "../harness/serve.ts";
import { startViewer } from "../harness/viewer_process.ts";
import { waitFor } from "../harness/wait.ts";

/** A WebSocket client frame, masked with zeros. */
function clientFrame(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const lengthBytes = message.byteLength < 126
    ? [0x80 | message.byteLength]
    : [0x80 | 126, message.byteLength >> 8, message.byteLength & 255];
  return Uint8Array.from([0x82, ...lengthBytes, 0, 0, 0, 0, ...message]);
}

/** A viewer by hand: subscribes, acks everything that could come, and never reads a byte. */
async function neverReads(serve: Serve, run: string): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: serve.ready.port });
  const upgrade = getRequest("/live", {
    host: `127.0.0.1:${serve.ready.port}`,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  });
  await connection.write(new TextEncoder().encode(upgrade));
  await connection.read(new Uint8Array(4096));
  const { token } = serve.ready;
  const hello = encodeJson(MessageType.Hello, 0, { version: WIRE_VERSION, token });
  const subscribe = { run, fpsMax: 0, everyNth: 1, stayLive: true };
  await connection.write(clientFrame(hello));
  await connection.write(clientFrame(encodeJson(MessageType.Subscribe, 1, subscribe)));
  return connection;
}

Deno.test("flow: viewers that never read cost no other a frame, and no memory", async () => {
  await using box = await TestBox.create();
  const run = box.runId("flood");
  const card = { format: 2, width: 400, height: 300, paddingBytes: 0 };
  await TestProducer.start(box, planFor(run, { card, framesPerSecond: 60 }));
  const serve = await Serve.start(box);
  const quick = await LiveClient.open(box, serve);
  quick.subscribe(1, run);
  await quick.framesCount(10);
  const stuck = await Promise.all(Array.from({ length: 5 }, () => neverReads(serve, run)));
  await quick.framesCount(30);
  const before = (await processUsage(serve.pid)).residentBytes;
  const seen = quick.frames.length;
  await quick.framesCount(seen + 120);
  const grown = (await processUsage(serve.pid)).residentBytes - before;
  // 120 frames of 480 kB for five viewers would be 288 MB.
  assert(grown < 64 * 2 ** 20, `the server grew by ${Math.round(grown / 2 ** 20)} MiB`);
  for (const connection of stuck) connection.close();
});

Deno.test("flow: viewers killed without goodbye are noticed, and nobody else notices", async () => {
  await using box = await TestBox.create();
  const run = box.runId("orphans");
  await TestProducer.start(box, planFor(run));
  const serve = await Serve.start(box);
  const witness = await LiveClient.open(box, serve);
  witness.subscribe(1, run);
  const viewers = () => witness.runs.find(({ id }) => id === run)?.viewers;
  for (const kind of ["websocket", "webtransport"] as const) {
    const child = startViewer(serve, kind, run);
    await waitFor("two viewers", () => viewers() === 2, viewers);
    child.kill("SIGKILL");
    await child.status;
    await waitFor("one viewer", () => viewers() === 1, viewers);
  }
  const seen = witness.frames.length;
  await witness.framesCount(seen + 10);
});

Deno.test("flow: a page that is hidden and shown all day goes on receiving", async () => {
  await using box = await TestBox.create();
  const run = box.runId("toggled");
  await TestProducer.start(box, planFor(run, { framesPerSecond: 200 }));
  const serve = await Serve.start(box);
  const client = await LiveClient.open(box, serve, "webtransport");
  // More often than a QUIC session has streams at once.
  for (let shown = 1; shown <= 150; shown++) {
    client.frames.length = 0;
    client.subscribe(1, run);
    await client.framesCount(1);
    client.send(encodeBinary(MessageType.Unsubscribe, 1, new Uint8Array()));
  }
});

Deno.test("flow: bytes that are no message end their session only", async () => {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const good = await LiveClient.open(box, serve);
  for (const kind of ["websocket", "webtransport"] as const) {
    const bad = await LiveClient.open(box, serve, kind);
    bad.send(new Uint8Array([255, 255, 255, 255, 1, 2, 3, 4, 5]));
    await bad.ended();
  }
  const huge = await LiveClient.open(box, serve);
  huge.send(new Uint8Array(200_000));
  await huge.ended();
  const reply = await good.command(1, { command: "pause" });
  assert.match(reply.error!, /nothing is watched/);
});
