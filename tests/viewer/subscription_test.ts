import assert from "node:assert/strict";
import {
  decodeAck,
  decodeDisplay,
  decodeJson,
  decodeMessage,
  encodeJson,
  INPUT_BYTES,
  type InputEvent,
  InputKind,
  type Message,
  MessageType,
} from "../../proto/wire.ts";
import type { StreamSettings } from "../../viewer/messages.ts";
import { Subscription } from "../../viewer/subscription.ts";

const SETTINGS: StreamSettings = {
  fpsMax: 60,
  everyNth: 1,
  stayLive: true,
  lane: "auto",
  latencyMs: 0,
  phaseLock: true,
};

function setUp() {
  const sent: Message[] = [];
  const datagrams: Message[] = [];
  const subscription = new Subscription("run", SETTINGS, ["raw", "h264"], {
    send: (bytes) => sent.push(decodeMessage(bytes)),
    sendUnreliable: (bytes) => datagrams.push(decodeMessage(bytes)),
  });
  const types = () => sent.map(({ type }) => type);
  return { sent, datagrams, subscription, types };
}

const pointer = (x: number): InputEvent => ({
  kind: InputKind.Pointer,
  code: 0,
  x,
  y: 0.5,
  buttons: 0,
  modifiers: 0,
});
const key = (code: number): InputEvent => ({
  ...pointer(0),
  kind: InputKind.Key,
  code,
  buttons: 1,
});

Deno.test("subscription: it says the lane that is wanted and those that can be drawn", () => {
  const { sent, subscription } = setUp();
  subscription.begin();
  assert.deepEqual(sent.map(({ type, handle }) => [type, handle]), [[MessageType.Subscribe, 1]]);
  assert.deepEqual(decodeJson(sent[0]!.body), {
    run: "run",
    fpsMax: 60,
    everyNth: 1,
    stayLive: true,
    lane: "auto",
    accepts: ["raw", "h264"],
  });
});

Deno.test("subscription: another lane is told; latency and phase lock are this page's own business", () => {
  const { sent, subscription, types } = setUp();
  subscription.begin();
  subscription.settings = { ...SETTINGS, latencyMs: 100 };
  subscription.settings = { ...SETTINGS, latencyMs: 100, phaseLock: false };
  assert.equal(sent.length, 1);
  subscription.settings = { ...SETTINGS, lane: "jpeg" };
  assert.deepEqual(types(), [MessageType.Subscribe, MessageType.Subscribe]);
  const { lane } = decodeJson(sent[1]!.body) as { lane: string };
  assert.deepEqual([lane, sent[1]!.handle], ["jpeg", 1]);
});

Deno.test("subscription: a lane that the page turns out not to draw is not accepted any more", () => {
  const { sent, subscription } = setUp();
  subscription.begin();
  subscription.refuse("h264");
  subscription.refuse("h264");
  subscription.forget();
  subscription.refuse("jpeg");
  subscription.begin();
  const accepts = sent.map(({ body }) => (decodeJson(body) as { accepts: string[] }).accepts);
  assert.deepEqual(accepts, [["raw", "h264"], ["raw"], ["raw"]]);
});

Deno.test("subscription: keyframe requests, reports, display times and acks carry its handle, while it lives", () => {
  const { sent, datagrams, subscription, types } = setUp();
  const report = { framesShown: 3 } as Parameters<typeof subscription.sendReport>[0];
  const say = () => {
    subscription.requestKeyframe();
    subscription.sendReport(report);
    subscription.sendDisplay({ phaseMs: 5, periodMs: 16, leadMs: 8 });
    subscription.ack(9, 4, 0);
  };
  say();
  assert.deepEqual([sent.length, datagrams.length], [0, 0]);
  subscription.begin();
  subscription.begin();
  say();
  const { KeyframeRequest, Report, Display, Ack } = MessageType;
  assert.deepEqual(types().slice(2), [KeyframeRequest, Report]);
  assert.deepEqual(datagrams.map(({ type }) => type), [Display, Ack]);
  assert.deepEqual(decodeDisplay(datagrams[0]!.body), { phaseMs: 5, periodMs: 16, leadMs: 8 });
  assert.deepEqual(decodeAck(datagrams[1]!.body), { frame: 9, framesShown: 4 });
  assert.deepEqual([...sent.slice(2), ...datagrams].map(({ handle }) => handle), [2, 2, 2, 2]);
});

Deno.test("subscription: before the first picture keys are dropped, and the pointer's newest place waits", () => {
  const { sent, subscription, types } = setUp();
  subscription.begin();
  subscription.input([pointer(0.1), key(4)]);
  subscription.input([pointer(0.2), key(5)]);
  subscription.input([key(6)]);
  assert.deepEqual(types(), [MessageType.Subscribe]);
  subscription.pictureShown();
  subscription.pictureShown();
  assert.deepEqual(types(), [MessageType.Subscribe, MessageType.Input]);
  const { body } = sent[1]!;
  const x = new DataView(body.buffer, body.byteOffset).getFloat32(8, true);
  assert.deepEqual([body.byteLength, x], [INPUT_BYTES, Math.fround(0.2)]);
  subscription.input([key(7), pointer(0.3)]);
  assert.equal(sent[2]!.body.byteLength, 2 * INPUT_BYTES);
});

Deno.test("subscription: a new producer's epoch ends the acks of the old one", () => {
  const { datagrams, subscription } = setUp();
  subscription.begin();
  const state = (epoch: string) =>
    subscription.receive(decodeMessage(encodeJson(MessageType.State, 1, { run: "run", epoch })));
  state("1");
  subscription.ack(900, 5, 0);
  subscription.repeatAck(5, 50, 100);
  assert.equal(datagrams.length, 1);
  subscription.repeatAck(5, 100, 100);
  assert.equal(datagrams.length, 2);
  state("2");
  subscription.repeatAck(5, 500, 100);
  assert.deepEqual([datagrams.length, subscription.epoch], [2, "2"]);
});
