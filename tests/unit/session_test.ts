import fc from "fast-check";
import assert from "node:assert/strict";
import {
  type Bye,
  decodeProbeReply,
  encodeBinary,
  encodeInputs,
  encodeJson,
  encodeProbe,
  InputKind,
  type Message,
  MessageType,
  type Reply,
  type StreamState,
  type Welcome,
} from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { CONTROL_TOKEN, ServerCore, VIEW_TOKEN } from "../harness/server_core.ts";
import { UNGREETED_MAX } from "../../core/sessions.ts";
import { waitFor } from "../harness/wait.ts";

Deno.test("session: Hello with a token or a ticket is welcomed, with what it may do", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  assert.equal(core.viewer().lane.last<Welcome>(MessageType.Welcome)!.access, "control");
  assert.equal(core.viewer(VIEW_TOKEN).lane.last<Welcome>(MessageType.Welcome)!.access, "view");
  const ticket = core.authority.issueTicket("view");
  const guest = core.connect();
  guest.receive(encodeJson(MessageType.Hello, 0, { version: 1, ticket }));
  assert.equal(guest.lane.last<Welcome>(MessageType.Welcome)!.access, "view");
  const thief = core.connect();
  thief.receive(encodeJson(MessageType.Hello, 0, { version: 1, ticket }));
  assert.match(thief.lane.bye!.reason, /valid ticket/);
});

const badFirstMessages: [string, Uint8Array<ArrayBuffer>][] = [
  ["a wrong token", encodeJson(MessageType.Hello, 0, { version: 1, token: "x".repeat(43) })],
  ["no secret", encodeJson(MessageType.Hello, 0, { version: 1 })],
  ["another version", encodeJson(MessageType.Hello, 0, { version: 2, token: CONTROL_TOKEN })],
  ["no JSON", encodeBinary(MessageType.Hello, 0, new Uint8Array([0xff]))],
  ["another message", encodeJson(MessageType.Subscribe, 1, { run: "a" })],
];

for (const [what, message] of badFirstMessages) {
  Deno.test(`session: a Hello with ${what} ends it`, async () => {
    await using box = await TestBox.create();
    await using core = ServerCore.create(box);
    const viewer = core.connect();
    viewer.receive(message);
    assert.equal(viewer.lane.bye?.retry, false);
    assert.equal(viewer.lane.messages.length, 0);
    assert.equal(core.sessions.count("websocket"), 0);
  });
}

Deno.test("session: one that says nothing is ended", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box, { helloTimeoutMs: 20 });
  const { lane } = core.connect();
  const bye = await waitFor<Bye | null>("goodbye", () => lane.bye);
  assert.match(bye.reason, /no Hello/);
});

Deno.test("session: no more than the limit, and a place is free again afterwards", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box, { sessionsMax: 1 });
  const first = core.viewer();
  const second = core.viewer();
  assert.match(second.lane.bye!.reason, /1 viewers already/);
  assert.equal(second.lane.bye!.retry, true);
  first.session.onTransportClosed();
  core.viewer();
});

Deno.test("session: messages that break the rules end it, and say why", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const subscribe = { run: "a", fpsMax: 0, everyNth: 1, stayLive: true };
  const input = { code: 1, x: 0, y: 0, buttons: 0, modifiers: 0 };
  const bad: [Uint8Array<ArrayBuffer>, RegExp][] = [
    [encodeJson(MessageType.Subscribe, 0, subscribe), /handle 0/],
    [encodeJson(MessageType.Subscribe, 1, { ...subscribe, run: "../a" }), /run: a run's id/],
    [encodeJson(MessageType.Subscribe, 1, { ...subscribe, fpsMax: -1 }), /fpsMax/],
    [encodeJson(MessageType.Subscribe, 1, { ...subscribe, fpsMax: 1e-300 }), /fpsMax/],
    [encodeJson(MessageType.Subscribe, 1, { ...subscribe, fpsMax: 1e-11 }), /fpsMax/],
    [encodeJson(MessageType.Subscribe, 1, { ...subscribe, everyNth: 0 }), /everyNth/],
    [encodeJson(MessageType.Command, 1, { id: 1, command: "format" }), /command/],
    [encodeJson(MessageType.Command, 1, { id: 1, command: "worker", code: 3 }), /code/],
    [
      encodeJson(MessageType.Command, 1, { id: 1, command: "worker", code: 300, value: 1e300 }),
      /value/,
    ],
    [encodeJson(MessageType.Follow, 0, { run: "../a" }), /Follow: run: a run's id/],
    [encodeJson(MessageType.Follow, 0, {}), /Follow: run/],
    [encodeJson(MessageType.Route, 0, { run: "a", prefer: "pigeon" }), /Route: prefer/],
    [encodeInputs(1, [{ ...input, kind: InputKind.Command }]), /commands are messages/],
    [encodeInputs(1, [{ ...input, kind: 77 }]), /kind 77/],
    [encodeBinary(MessageType.Ack, 1, new Uint8Array(3)), /16 bytes/],
    [encodeBinary(MessageType.Frame, 1, new Uint8Array()), /type 68 is unknown here/],
    [encodeJson(MessageType.Hello, 0, { version: 1, token: CONTROL_TOKEN }), /type 1 is unknown/],
  ];
  for (const [message, reason] of bad) {
    const viewer = core.viewer();
    viewer.receive(message);
    assert.match(viewer.lane.bye?.reason ?? "none", reason);
  }
});

Deno.test("session: whatever bytes a viewer sends, the server goes on", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const message = fc.record({
    type: fc.integer({ min: 0, max: 80 }),
    handle: fc.integer({ min: 0, max: 3 }),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
    ),
  });
  fc.assert(fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
    const viewer = core.viewer();
    for (const one of messages) viewer.session.receive(one as Message);
    for (const one of messages) viewer.session.receiveDatagram(one as Message);
    assert.notEqual(viewer.lane.bye?.retry, true, `${viewer.lane.bye?.reason}`);
    viewer.session.onTransportClosed();
  }));
  assert.equal(core.sessions.count("websocket"), 0);
});

Deno.test("session: probes are answered where they came from", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer();
  const before = core.library.clockMonoNs();
  viewer.receive(encodeProbe(7.5));
  const reply = viewer.lane.messages.find(({ type }) => type === MessageType.ProbeReply)!;
  const { tPageMs, tServerNs } = decodeProbeReply(reply.body);
  assert.equal(tPageMs, 7.5);
  assert(tServerNs >= before && tServerNs <= core.library.clockMonoNs());
  const { body } = { body: encodeProbe(8).subarray(8) };
  viewer.session.receiveDatagram({ type: MessageType.Probe, handle: 0, body });
  assert.equal(viewer.lane.datagrams.length, 1);
});

Deno.test("session: 32 subscriptions at most", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer();
  for (let handle = 1; handle <= 32; handle++) viewer.subscribe(handle, "none-such");
  assert.equal(viewer.lane.bye, null);
  viewer.subscribe(33, "none-such");
  assert.match(viewer.lane.bye!.reason, /at most 32/);
});

Deno.test("session: a run that is not there yet is waited for", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer().subscribe(1, box.runId("absent"));
  const state = viewer.lane.last<StreamState>(MessageType.State)!;
  assert.equal(state.phase, "waiting");
  assert.equal(state.controllable, false);
  const reply: Reply = viewer.command(1, { command: "pause" });
  assert.equal(reply.ok, false);
  assert.match(reply.error!, /not running/);
});

Deno.test("session: a viewer that leaves everything unread is ended", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer();
  viewer.lane.bytesPending = 2 ** 20 + 1;
  viewer.receive(encodeProbe(1));
  assert.match(viewer.lane.bye!.reason, /does not read/);
});

Deno.test("session: those that say nothing keep nobody out", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box, { sessionsMax: 1 });
  const silent = Array.from({ length: UNGREETED_MAX }, () => core.connect());
  const viewer = core.viewer();
  assert.equal(viewer.lane.bye, null);
  assert.match(silent[0]!.lane.bye!.reason, /not said Hello/);
  assert.equal(silent[1]!.lane.bye, null);
});

Deno.test("session: one that was behind gets the list of runs once it has caught up", async () => {
  await using box = await TestBox.create();
  await using core = ServerCore.create(box);
  const viewer = core.viewer();
  core.sessions.sendRuns();
  const before = viewer.lane.bodies(MessageType.Runs).length;
  core.sessions.sendRuns();
  assert.equal(viewer.lane.bodies(MessageType.Runs).length, before, "sent twice");
  const behind = core.viewer();
  behind.lane.bytesPending = 2 ** 17;
  core.sessions.sendRuns();
  assert.equal(behind.lane.bodies(MessageType.Runs).length, 0);
  behind.lane.bytesPending = 0;
  core.sessions.sendRuns();
  assert.equal(behind.lane.bodies(MessageType.Runs).length, 1);
});
