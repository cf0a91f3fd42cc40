/** Hostile gRPC: a status or a closed connection, bounded memory, and another client that notices nothing. */

import assert from "node:assert/strict";
import * as grpc from "@grpc/grpc-js";
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { connect as connectHttp2, constants } from "node:http2";
import { gzipSync } from "node:zlib";
import { TestBox } from "../harness/box.ts";
import { childOf } from "../harness/processes.ts";
import { IngestClient, stepColumns, streamId } from "../harness/grpc.ts";
import { processUsage } from "../harness/process_usage.ts";
import { Serve } from "../harness/serve.ts";
import { sleep, waitFor } from "../harness/wait.ts";

/** What any of these attacks may cost, beyond what a busy process needs for itself. */
const MEMORY_BYTES_MAX = 350 * 1024 * 1024;
const STEPS_PATH = "/telebridge.v1.PublishService/PublishRunSteps";

function publishSteps(client: IngestClient) {
  return client.publish("publishRunSteps");
}

/** A server, and a client of it that goes on publishing during the attack. */
class Besieged implements AsyncDisposable {
  readonly serve: Serve;
  readonly pid: number;
  readonly #box: TestBox;
  readonly #victim: ReturnType<typeof publishSteps>;
  #sent = 0;

  private constructor(box: TestBox, serve: Serve) {
    this.#box = box;
    this.serve = serve;
    this.pid = childOf(serve.pid, "ingest")!;
    const client = IngestClient.connect(box, { target: `unix:${box.dataDir}/ingest.sock` });
    this.#victim = publishSteps(client);
    this.#victim.send({ open: { runId: "victim", streamId: streamId() } });
  }

  static async start(): Promise<Besieged> {
    const box = await TestBox.create();
    const besieged = new Besieged(box, await Serve.start(box));
    await besieged.check();
    return besieged;
  }

  get port(): number {
    return this.serve.ready.grpcPort;
  }

  get socketPath(): string {
    return `${this.#box.dataDir}/ingest.sock`;
  }

  get headers(): Record<string, string> {
    return {
      ":method": "POST",
      ":path": STEPS_PATH,
      "content-type": "application/grpc",
      te: "trailers",
      authorization: `Bearer ${this.serve.ready.token}`,
    };
  }

  /** The other client publishes on the same call, the process is the same and no larger than it may be. */
  async check(): Promise<void> {
    this.#victim.send({
      firstSequence: BigInt(this.#sent + 1),
      columns: stepColumns(this.#sent + 1, 50),
    });
    this.#sent += 50;
    await this.#victim.committed(this.#sent);
    assert.equal(childOf(this.serve.pid, "ingest"), this.pid, "the process is another one");
    const { residentBytes } = await processUsage(this.pid);
    assert(residentBytes < MEMORY_BYTES_MAX, `${residentBytes} bytes resident`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#victim.cancel();
    await this.#box[Symbol.asyncDispose]();
  }
}

/** Sends bytes as the body of a call; resolves to its status, null where the stream was cut off. */
function attack(
  besieged: Besieged,
  body: Uint8Array[],
  headers: Record<string, string> = {},
): Promise<string | null> {
  const session = connectHttp2(`http://127.0.0.1:${besieged.port}`);
  session.on("error", () => {});
  const stream = session.request({ ...besieged.headers, ...headers });
  const { promise, resolve } = Promise.withResolvers<string | null>();
  stream.on("error", () => {});
  let status: string | null = null;
  const keep = (told: Record<string, unknown>) => {
    if (typeof told["grpc-status"] === "string") status = told["grpc-status"];
  };
  const end = () => {
    resolve(status);
    session.destroy();
  };
  stream.on("response", keep);
  stream.on("trailers", keep);
  stream.on("end", end); // the server's half: ours stays open, as an attacker would have it
  stream.on("close", end);
  stream.resume();
  for (const part of body) stream.write(part);
  return promise;
}

function framed(message: Uint8Array, { compressed = false, length = message.byteLength } = {}) {
  const head = new Uint8Array(5);
  head[0] = compressed ? 1 : 0;
  new DataView(head.buffer).setUint32(1, length);
  return Buffer.concat([head, message]);
}

Deno.test("hostile: a message of 4 GiB is refused by its length", async () => {
  await using besieged = await Besieged.start();
  const part = new Uint8Array(64 * 1024);
  const body = [framed(part, { length: 0xffff_ffff }), ...Array(20).fill(part)];
  assert.equal(await attack(besieged, body), String(grpc.status.RESOURCE_EXHAUSTED));
  const large = [framed(part, { length: 5 * 1024 * 1024 })];
  assert.equal(await attack(besieged, large), String(grpc.status.RESOURCE_EXHAUSTED));
  await besieged.check();
});

Deno.test("hostile: a gzip bomb is refused when it has grown too large", async () => {
  await using besieged = await Besieged.start();
  const bomb = gzipSync(new Uint8Array(1024 * 1024 * 1024));
  assert(bomb.byteLength < 4 * 1024 * 1024);
  const body = [framed(bomb, { compressed: true })];
  const statuses = await Promise.all(
    Array.from({ length: 4 }, () => attack(besieged, body, { "grpc-encoding": "gzip" })),
  );
  assert.deepEqual(statuses, Array(4).fill(String(grpc.status.RESOURCE_EXHAUSTED)));
  await besieged.check();
});

Deno.test("hostile: garbage ends its call or its connection", async () => {
  await using besieged = await Besieged.start();
  const garbage = crypto.getRandomValues(new Uint8Array(60_000));
  assert.equal(await attack(besieged, [framed(garbage)]), String(grpc.status.INTERNAL));
  const unknown = await attack(besieged, [framed(garbage)], { ":path": "/telebridge.v1.X/Y" });
  assert.equal(unknown, String(grpc.status.UNIMPLEMENTED));
  const stranger = await attack(besieged, [framed(garbage)], { authorization: "Bearer x" });
  assert.equal(stranger, String(grpc.status.UNAUTHENTICATED));
  for (const bytes of [garbage, Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n")]) {
    const socket = await open(besieged.port);
    socket.write(bytes);
    await closed(socket);
  }
  await besieged.check();
});

Deno.test("hostile: what a stranger sends is not kept", async () => {
  await using besieged = await Besieged.start();
  const part = new Uint8Array(1024 * 1024);
  for (let i = 0; i < 20; i++) {
    const body = [framed(part, { length: 64 * 1024 * 1024 }), ...Array(20).fill(part)];
    const path = "/telebridge.v1.PublishService/PublishFrames";
    const status = await attack(besieged, body, { ":path": path, authorization: "" });
    assert.equal(status, String(grpc.status.UNAUTHENTICATED));
  }
  await besieged.check();
});

Deno.test("hostile: calls that are reset as soon as they are opened", async () => {
  await using besieged = await Besieged.start();
  for (let round = 0; round < 5; round++) {
    const session = connectHttp2(`http://127.0.0.1:${besieged.port}`);
    const gone = new Promise<void>((resolve) => session.on("close", () => resolve()));
    session.on("error", () => {});
    for (let i = 0; i < 2000 && !session.destroyed; i++) {
      const stream = session.request(besieged.headers);
      stream.on("error", () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      if (i % 100 === 99) await sleep(0);
    }
    session.destroy();
    await gone;
  }
  await besieged.check();
});

Deno.test("hostile: connections that say nothing, or never end their headers, are closed", async () => {
  await using besieged = await Besieged.start();
  const silent = await Promise.all(Array.from({ length: 50 }, () => open(besieged.port)));
  const slow = await open(besieged.port);
  // The preface, and the first bytes of a HEADERS frame that never comes.
  slow.write(Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  slow.write(Uint8Array.of(0, 0));
  await besieged.check();
  await Promise.all([...silent, slow].map(closed));
  await besieged.check();
});

Deno.test("hostile: more connections than are allowed do not keep a client of the socket out", async () => {
  await using besieged = await Besieged.start();
  const sockets: Socket[] = [];
  for (let i = 0; i < 700; i++) sockets.push(await open(besieged.port));
  await besieged.check();
  for (const socket of sockets) socket.destroy();
  await besieged.check();
});

Deno.test("hostile: half a message is never stored, however its call ends", async () => {
  await using besieged = await Besieged.start();
  const whole = Buffer.alloc(1000, 0x0a);
  const session = connectHttp2(`http://127.0.0.1:${besieged.port}`);
  session.on("error", () => {});
  const stream = session.request(besieged.headers);
  stream.on("error", () => {});
  stream.resume();
  stream.end(framed(whole).subarray(0, 500));
  await waitFor("the call's end", () => stream.destroyed || stream.closed);
  session.destroy();
  await besieged.check();
});

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => {
    socket.once("connect", () => resolve());
    socket.once("close", () => resolve());
  });
  socket.resume();
  return socket;
}

function closed(socket: Socket): Promise<unknown> {
  return waitFor("the connection's end", () => socket.destroyed || socket.readableEnded);
}
