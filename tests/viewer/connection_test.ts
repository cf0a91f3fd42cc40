/** The viewer's connection against a small server of the test's own, over real WebSockets. */

import assert from "node:assert/strict";
import {
  decodeJson,
  decodeMessage,
  encodeJson,
  encodeProbeReply,
  type Hello,
  type Message,
  MessageType,
} from "../../proto/wire.ts";
import { ServerClock } from "../../viewer/clock.ts";
import { Connection, type ConnectionStatus } from "../../viewer/connection.ts";
import { FramePool } from "../../viewer/frame_pool.ts";
import { createLaneOpener } from "../../viewer/open_lane.ts";
import type { TransportKind } from "../../viewer/transport.ts";
import { sleep, waitFor } from "../harness/wait.ts";

interface ServerPlan {
  /** Status of `/api/session`. */
  sessionStatus?: number;
  /** What a greeted page is told instead of nothing. */
  afterHello?: (socket: WebSocket, session: number) => void;
  answersProbes?: boolean;
  /** The lane that the connection takes its WebSocket for. */
  lane?: TransportKind;
}

/** A server that speaks as much of the wire as a plan needs, and a connection to it. */
function setUp(
  { sessionStatus = 200, afterHello, answersProbes = true, lane }: ServerPlan,
) {
  const tickets: (string | undefined)[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    if (new URL(request.url).pathname === "/api/session") {
      const offer = { ticket: `t${tickets.length}`, webtransport: null, webSocketPath: "/live" };
      return Response.json(offer, { status: sessionStatus });
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      const message = decodeMessage(new Uint8Array(data));
      if (message.type === MessageType.Hello) {
        tickets.push((decodeJson(message.body) as Hello).ticket);
        const welcome = { version: 1, server: "0.0.0", instance: "i", access: "view", runs: [] };
        socket.send(encodeJson(MessageType.Welcome, 0, welcome));
        afterHello?.(socket, tickets.length);
      } else if (message.type === MessageType.Probe && answersProbes) {
        socket.send(encodeProbeReply(message.body, 5_000_000_000n));
      }
    };
    return response;
  });
  const statuses: ConnectionStatus[] = [];
  const messages: Message[] = [];
  const clock = new ServerClock();
  const openLane = createLaneOpener(`http://127.0.0.1:${server.addr.port}`, new FramePool());
  const connection = new Connection({
    openLane: async (kind, sink, signal) => {
      const opened = await openLane(kind, sink, signal);
      return { ...opened, transport: { ...opened.transport, kind: lane ?? kind } };
    },
    forcedLane: null,
    clock,
    random: () => 0,
    onStatus: (status) => statuses.push(status),
    onOpen() {},
    onMessage: (message) => messages.push(message),
    onFrame() {},
  });
  connection.open();
  const reached = (phase: ConnectionStatus["phase"]) =>
    waitFor(phase, () => statuses.find((status) => status.phase === phase), () => statuses);
  return {
    tickets,
    statuses,
    messages,
    clock,
    connection,
    reached,
    async [Symbol.asyncDispose]() {
      connection.close();
      await server.shutdown();
    },
  };
}

Deno.test("connection: opens over the lane that there is, with its own ticket, and finds the clock", async () => {
  await using test = setUp({});
  const status = await test.reached("open");
  assert.deepEqual([status.transport, status.access, status.sessions], ["websocket", "view", 1]);
  // WebTransport's attempt asked for a ticket as well, and had no use for it.
  assert.equal(test.tickets.length, 1);
  await waitFor("the clock", () => test.clock.roundTripMs !== null);
  assert.ok(Math.abs(test.clock.serverMsAt(performance.now())! - 5_000) < 1_000);
});

Deno.test("connection: a message that comes right behind the greeting is not lost", async () => {
  await using test = setUp({
    afterHello: (socket) => socket.send(encodeJson(MessageType.Runs, 0, { runs: [] })),
  });
  await waitFor("the message", () => test.messages.length === 1);
  assert.equal(test.messages[0]!.type, MessageType.Runs);
});

Deno.test("connection: a lost session is opened again with a new ticket", async () => {
  await using test = setUp({
    afterHello: (socket, session) => session === 1 && socket.close(),
  });
  const { connection } = test;
  await waitFor("a second session", () => connection.status.sessions === 2);
  assert.deepEqual(test.statuses.map(({ phase }) => phase), ["open", "reconnecting", "open"]);
  assert.equal(new Set(test.tickets).size, 2);
});

Deno.test("connection: a server that falls silent over QUIC is given up after 3 s", async () => {
  await using test = setUp({ answersProbes: false, lane: "webtransport" });
  await test.reached("open");
  const status = await test.reached("reconnecting");
  assert.match(status.reason!, /silent/);
});

Deno.test("connection: over TCP answers may be held up for longer by a frame on a slow tunnel", async () => {
  await using test = setUp({ answersProbes: false });
  await test.reached("open");
  await sleep(5_000);
  assert.equal(test.connection.status.phase, "open");
});

Deno.test("connection: Bye for good is the end; Bye for now is not", async () => {
  const bye = (retry: boolean) => (socket: WebSocket) =>
    socket.send(encodeJson(MessageType.Bye, 0, { reason: "the server stops", retry }));
  {
    await using test = setUp({ afterHello: bye(false) });
    const status = await test.reached("refused");
    assert.equal(status.reason, "the server stops");
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(test.connection.status.sessions, 1);
  }
  await using test = setUp({ afterHello: (socket, session) => session === 1 && bye(true)(socket) });
  await waitFor("a second session", () => test.connection.status.sessions === 2);
});

Deno.test("connection: 401 is told, not tried again and again; asking again tries once more", async () => {
  await using test = setUp({ sessionStatus: 401 });
  await test.reached("unauthorised");
  await new Promise((resolve) => setTimeout(resolve, 600));
  assert.equal(test.statuses.length, 1);
  await test.connection.open();
  assert.equal(test.statuses.length, 2);
});
