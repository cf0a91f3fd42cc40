import assert from "node:assert/strict";
import { HubEventKind } from "../../ffi/hub.ts";
import { SlotHeader } from "../../ffi/layout.ts";
import { EncoderKind, VideoOutput, type VideoSettings } from "../../ffi/stream.ts";
import { TestBox } from "../harness/box.ts";
import { openLibrary } from "../harness/library.ts";

const SETTINGS: VideoSettings = {
  phaseNs: 0,
  periodNs: 0,
  intervalMinNs: 0,
  outputs: VideoOutput.H264,
  everyNth: 1,
  inOrder: false,
  bitrateKbps: 0,
  gopMs: 0,
  fpsMhz: 0,
  jpegQuality: 0,
  encoder: EncoderKind.OpenH264,
};

const WIDTH = 64;
const HEIGHT = 48;
const RGB8 = 1;
const JPEG = 17;
const H264 = 16;
const STREAM = 7;
const WAIT_MS = 10_000;

Deno.test("a stream's packets come through the binding, and a buffer that is too small is told what it needs", async () => {
  await using box = await TestBox.create();
  box.enter();
  using library = openLibrary();
  const run = box.runId("stream");
  using producer = library.openProducer(run, WIDTH * HEIGHT * 3, 4);
  const pixels = new Uint8Array(WIDTH * HEIGHT * 3).fill(90);
  producer.publish({ pixels, width: WIDTH, height: HEIGHT, format: RGB8, step: 5 });
  using hub = library.openHub();
  using reader = library.openReader(run);
  using controller = library.openController(reader);
  using stream = library.openStream(hub, STREAM, reader, controller, SETTINGS);

  const kinds = new Set<number>();
  while (!kinds.has(HubEventKind.Packet)) {
    const eventsCount = await hub.next(WAIT_MS);
    assert(eventsCount > 0);
    for (let index = 0; index < eventsCount; index++) {
      assert.equal(hub.streamId(index), STREAM);
      kinds.add(hub.kind(index));
    }
  }
  assert.deepEqual(kinds, new Set([HubEventKind.Encoder, HubEventKind.Packet]));
  assert.equal(stream.take(new Uint8Array(100)), "small");
  const buffer = new Uint8Array(stream.bytesTaken);
  assert.equal(stream.take(buffer), "packet");
  assert.equal(stream.bytesTaken, buffer.length);
  const header = new DataView(buffer.buffer);
  assert.equal(header.getUint32(SlotHeader.format, true), H264);
  assert.equal(header.getBigUint64(SlotHeader.frame, true), 1n);
  assert.deepEqual([...buffer.subarray(SlotHeader.bytes, SlotHeader.bytes + 4)], [0, 0, 0, 1]);
  assert.equal(stream.take(buffer), "none");

  const status = stream.readStatus();
  assert.equal(status.encoder, EncoderKind.OpenH264);
  assert.match(status.encoderName, /^OpenH264 /);
  assert.deepEqual(
    [status.framesSampled, status.packets, status.keyframes, status.width, status.height],
    [1, 1, 1, WIDTH, HEIGHT],
  );

  stream.set({ ...SETTINGS, outputs: VideoOutput.Jpeg });
  stream.requestKeyframe(VideoOutput.Jpeg);
  await hub.next(WAIT_MS);
  const jpeg = new Uint8Array(64 * 1024);
  assert.equal(stream.take(jpeg), "packet");
  assert.equal(new DataView(jpeg.buffer).getUint32(SlotHeader.format, true), JPEG);
  assert.deepEqual([...jpeg.subarray(SlotHeader.bytes, SlotHeader.bytes + 2)], [0xff, 0xd8]);
});

Deno.test("OpenH264 and JPEG are always there", async () => {
  using library = openLibrary();
  const usable = (await library.encoders()).filter((row) => row.usable).map((row) => row.name);
  assert(usable.includes("openh264") && usable.includes("jpeg"), usable.join());
});

Deno.test("a snapshot is a JPEG, and its buffer may be too small", async () => {
  await using box = await TestBox.create();
  box.enter();
  using library = openLibrary();
  const run = box.runId("snapshot");
  using producer = library.openProducer(run, WIDTH * HEIGHT * 3, 4);
  using reader = library.openReader(run);
  const small = new Uint8Array(16);
  await assert.rejects(library.snapshot(reader, 80, 0, small), { code: "ENOENT" });
  const pixels = new Uint8Array(WIDTH * HEIGHT * 3).fill(90);
  producer.publish({ pixels, width: WIDTH, height: HEIGHT, format: RGB8 });
  const needed = -await library.snapshot(reader, 80, 0, small);
  assert(needed > small.length);
  const jpeg = new Uint8Array(needed);
  assert.equal(await library.snapshot(reader, 80, 0, jpeg), needed);
  assert.deepEqual([...jpeg.subarray(0, 2)], [0xff, 0xd8]);
});
