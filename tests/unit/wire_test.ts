import * as wire from "../../proto/wire.ts";
import fc from "fast-check";
import { GatheredCommits } from "../../core/durable/gathered_commits.ts";
import assert from "node:assert/strict";

const { MessageType } = wire;

/** The vectors of docs/wire.md, read from the page itself: message name to bytes. */
function vectors(): Map<string, Uint8Array<ArrayBuffer>> {
  const page = Deno.readTextFileSync(new URL("../../docs/wire.md", import.meta.url));
  const rows = page.slice(page.indexOf("## Test vectors")).matchAll(
    /^\| (.+?) +\| `([0-9a-f ]+)` +\|$/gm,
  );
  return new Map([...rows].map(([, name, hex]) => [
    name!,
    Uint8Array.from(hex!.replaceAll(" ", "").match(/../g)!, (byte) => parseInt(byte, 16)),
  ]));
}

function commitsOf(run: string, series: string, timeUnixNs: bigint, step: bigint, value: number) {
  const gathered = new GatheredCommits(run);
  gathered.add({ samples: 1 }, {
    names: [series],
    series: Uint32Array.of(0),
    timeUnixNs: BigInt64Array.of(timeUnixNs),
    step: BigUint64Array.of(step),
    value: Float64Array.of(value),
  });
  return gathered.message(false);
}

Deno.test("wire: every test vector of docs/wire.md is what the codec writes", () => {
  const probe = wire.encodeProbe(1.5);
  const written = new Map<string, Uint8Array>([
    ["Unsubscribe, handle 7", wire.encodeBinary(MessageType.Unsubscribe, 7, new Uint8Array())],
    ["Probe, 1.5 ms", probe],
    [
      "ProbeReply, 1.5 ms, 1,000,000,007 ns",
      wire.encodeProbeReply(wire.decodeMessage(probe).body, 1_000_000_007n),
    ],
    ["Ack, handle 2, frame 258, 3 shown", wire.encodeAck(2, { frame: 258, framesShown: 3 })],
    ['Hello with ticket "t"', wire.encodeJson(MessageType.Hello, 0, { version: 1, ticket: "t" })],
    [
      'Input, handle 1: key 4 ("A") down with shift',
      wire.encodeInputs(1, [{ kind: 3, code: 4, x: 0, y: 0, buttons: 1, modifiers: 1 }]),
    ],
    ['Follow run "a"', wire.encodeJson(MessageType.Follow, 0, { run: "a" })],
    ["Follow none", wire.encodeJson(MessageType.Follow, 0, { run: null })],
    [
      'Route of run "a": gRPC',
      wire.encodeJson(MessageType.Route, 0, { run: "a", prefer: "grpc" }),
    ],
    [
      'Commits of run "a": 1 sample of "l", 1.5 s, step 2, 0.25',
      commitsOf("a", "l", 1_500_000_000n, 2n, 0.25),
    ],
    [
      "Durable, all is well",
      wire.encodeJson(MessageType.Durable, 0, {
        state: "ok",
        reason: "",
        runsVersion: 0,
        routes: [],
      }),
    ],
  ]);
  assert.deepEqual(vectors(), written);
});

Deno.test("wire: what is encoded is decoded", () => {
  const reply = wire.decodeMessage(wire.encodeProbeReply(new Uint8Array(8), 2n ** 60n));
  assert.equal(reply.type, MessageType.ProbeReply);
  assert.deepEqual(wire.decodeProbeReply(reply.body), { tPageMs: 0, tServerNs: 2n ** 60n });
  const ack = wire.decodeMessage(wire.encodeAck(9, { frame: 5, framesShown: 4 }));
  assert.equal(ack.handle, 9);
  assert.deepEqual(wire.decodeAck(ack.body), { frame: 5, framesShown: 4 });
});

Deno.test("wire: a stream cut anywhere yields the same messages", () => {
  const message = fc.record({ handle: fc.nat(65535), body: fc.uint8Array({ maxLength: 300 }) });
  fc.assert(fc.property(
    fc.array(message, { maxLength: 8 }),
    fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 16 }),
    (messages, cuts) => {
      const parts = messages.map((m) => wire.encodeBinary(MessageType.Runs, m.handle, m.body));
      const stream = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
      parts.reduce((offset, part) => (stream.set(part, offset), offset + part.byteLength), 0);
      const splitter = new wire.MessageSplitter(4096);
      const got: wire.Message[] = [];
      for (let offset = 0, cut = 0; offset < stream.byteLength; cut++) {
        const end = offset + cuts[cut % cuts.length]!;
        got.push(...splitter.push(stream.subarray(offset, end)));
        offset = end;
      }
      assert.deepEqual(
        got.map(({ handle, body }) => ({ handle, body: [...body] })),
        messages.map(({ handle, body }) => ({ handle, body: [...body] })),
      );
    },
  ));
});

Deno.test("wire: columns of numbers keep every bit, and what is not one is a WireError", () => {
  fc.assert(fc.property(fc.float64Array(), (numbers) => {
    const column = Float64Array.from(numbers);
    assert.deepEqual(wire.decodeF64(wire.encodeF64(column)), column);
    // A column may be a part of a larger one.
    assert.deepEqual(wire.decodeF64(wire.encodeF64(column.subarray(1))), column.slice(1));
  }));
  for (const bad of ["AAAA", "%", "AAAAAAAA+D8=AAAA"]) {
    assert.throws(() => wire.decodeF64(bad), wire.WireError);
  }
});

Deno.test("wire: random bytes are a WireError or messages within the limit, never anything else", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
    try {
      for (const message of new wire.MessageSplitter(256).push(bytes)) {
        assert.ok(message.body.byteLength <= 256);
        wire.decodeFrameHeader(message.body);
      }
    } catch (error) {
      assert.ok(error instanceof wire.WireError, String(error));
    }
  }));
});

Deno.test("wire: an announced length over the limit is refused before it is buffered", () => {
  const head = new Uint8Array([0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
  assert.throws(
    () => [...new wire.MessageSplitter(wire.VIEWER_MESSAGE_BYTES_MAX).push(head)],
    /announces 4294967299 bytes; 8 to 65536 are allowed/,
  );
});

Deno.test("wire: input is checked", () => {
  const event = {
    kind: wire.InputKind.Pointer,
    code: 0,
    x: 0.5,
    y: 0.25,
    buttons: 1,
    modifiers: 0,
  };
  const bodyOf = (events: wire.InputEvent[]) =>
    wire.decodeMessage(wire.encodeInputs(1, events)).body;
  assert.equal(wire.checkInputs(bodyOf([event, event])).byteLength, 64);
  assert.throws(() => wire.checkInputs(bodyOf([])), wire.WireError);
  assert.throws(() => wire.checkInputs(bodyOf([{ ...event, kind: 7 }])), wire.WireError);
  assert.throws(() => wire.checkInputs(bodyOf([{ ...event, x: NaN }])), wire.WireError);
  assert.throws(() => wire.checkInputs(bodyOf([event]).slice(0, 31)), wire.WireError);
  assert.throws(() => wire.checkInputs(bodyOf(Array(65).fill(event))), wire.WireError);
});

Deno.test("wire: a frame header reads the ring's layout and bounds its payload", () => {
  const message = new Uint8Array(wire.FRAME_PAYLOAD_OFFSET + 12);
  const view = new DataView(message.buffer, wire.HEAD_BYTES);
  view.setBigUint64(8, 3n, true);
  view.setUint32(56, 2, true);
  view.setUint32(60, 2, true);
  view.setUint32(72, 12, true);
  wire.stampRawFrame(message, 6n);
  wire.stampFrame(message, 4, { tSentNs: 7n, framesSkipped: 5 });
  const header = wire.decodeFrameHeader(wire.decodeMessage(message).body);
  assert.deepEqual(
    [
      header.tSentNs,
      header.frame,
      header.width,
      header.height,
      header.tWokenNs,
      header.framesSkipped,
    ],
    [7n, 3, 2, 2, 6n, 5],
  );
  view.setUint32(72, 13, true);
  assert.throws(() => wire.decodeFrameHeader(wire.decodeMessage(message).body), wire.WireError);
});
