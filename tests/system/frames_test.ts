import assert from "node:assert/strict";
import type { Library } from "../../ffi/library.ts";
import { PixelFormat } from "../../proto/wire.ts";
import { TestBox } from "../harness/box.ts";
import { openLibrary } from "../harness/library.ts";
import { type LaneKind, LiveClient } from "../harness/live_client.ts";
import { Serve } from "../harness/serve.ts";
import { sleep } from "../harness/wait.ts";

const LANES: LaneKind[] = ["websocket", "webtransport"];
const FRAMES_COUNT = 12;

/** Bytes that say which frame and which byte they are. */
function payload(bytes: number, frame: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + frame * 101) & 255);
}

interface Picture {
  width: number;
  height: number;
  stride: number;
  /** Of the payload without an overlay. */
  bytes: number;
}

/** Odd sizes and padded rows, as a worker may have them. */
const PICTURES: Record<keyof typeof PixelFormat, Picture> = {
  Rgb8: { width: 5, height: 3, stride: 16, bytes: 48 },
  Rgba8: { width: 7, height: 5, stride: 28, bytes: 140 },
  Bgra8: { width: 640, height: 360, stride: 2560, bytes: 921_600 },
  Gray8: { width: 1, height: 1, stride: 1, bytes: 1 },
  Nv12: { width: 7, height: 5, stride: 8, bytes: 8 * 5 + 8 * 3 },
  I420: { width: 7, height: 5, stride: 9, bytes: 9 * 5 + 2 * 5 * 3 },
  H264: { width: 64, height: 64, stride: 0, bytes: 777 },
  Jpeg: { width: 64, height: 64, stride: 0, bytes: 1234 },
};

/** Publishes frames with numbers and, every other time, an overlay; compares what comes with what was published. */
async function compare(
  box: TestBox,
  library: Library,
  client: LiveClient,
  handle: number,
  format: PixelFormat,
  { bytes, ...picture }: Picture,
): Promise<void> {
  const run = box.runId("format");
  using producer = library.openProducer(run, bytes + 4096);
  client.subscribe(handle, run);
  await client.state("live");
  client.frames.length = 0;
  const heat = payload(6, 77);
  for (let frame = 1; frame <= FRAMES_COUNT; frame++) {
    producer.publish({
      ...picture,
      format,
      pixels: payload(bytes, frame),
      step: frame * 2,
      episode: frame * 3,
      reward: frame / 4,
      overlay: frame % 2 === 0 ? { heat, width: 3, height: 2 } : undefined,
    });
    await client.framesCount(frame);
  }
  for (const [index, { header, payload: received }] of client.frames.entries()) {
    const frame = index + 1;
    assert.deepEqual(received.subarray(0, bytes), payload(bytes, frame));
    const { width, height, stride } = header;
    assert.deepEqual({ width, height, stride }, picture);
    assert.deepEqual(
      [header.format, header.frame, header.step, header.episode, header.reward],
      [format, frame, frame * 2, frame * 3, frame / 4],
    );
    const { overlayOffset, overlayBytes } = header;
    const overlay = received.subarray(overlayOffset, overlayOffset + overlayBytes);
    assert.deepEqual(overlay, frame % 2 === 0 ? heat : new Uint8Array());
  }
}

for (const kind of LANES) {
  Deno.test(`frames, ${kind}: every format arrives byte for byte`, async (test) => {
    await using box = await TestBox.create();
    box.enter();
    using library = openLibrary();
    const serve = await Serve.start(box);
    const client = await LiveClient.open(box, serve, kind);
    let handle = 0;
    for (const [name, format] of Object.entries(PixelFormat)) {
      const picture = PICTURES[name as keyof typeof PixelFormat];
      await test.step(name, () => compare(box, library, client, ++handle, format, picture));
    }
  });
}

/** Publishes gray frames as fast as `everyMs` says while `work` runs. */
async function whilePublishing(
  box: TestBox,
  run: string,
  everyMs: number,
  work: (serve: Serve) => Promise<void>,
): Promise<void> {
  box.enter();
  using library = openLibrary();
  using producer = library.openProducer(run, 4096, 64);
  const serve = await Serve.start(box);
  const timer = setInterval(() => {
    producer.publish({ pixels: payload(64, 1), width: 8, height: 8, format: PixelFormat.Gray8 });
  }, everyMs);
  try {
    await work(serve);
  } finally {
    clearInterval(timer);
  }
}

for (const kind of LANES) {
  Deno.test(`frames, ${kind}: every n-th, capped, and in order, as each viewer asked`, async () => {
    await using box = await TestBox.create();
    const run = box.runId("pace");
    await whilePublishing(box, run, 5, async (serve) => {
      const nth = await LiveClient.open(box, serve, kind);
      const capped = await LiveClient.open(box, serve, kind);
      const ordered = await LiveClient.open(box, serve, kind);
      nth.subscribe(1, run, { everyNth: 10 });
      capped.subscribe(1, run, { fpsMax: 20 });
      ordered.subscribe(7, run, { stayLive: false });
      await nth.framesCount(10);
      await capped.framesCount(30);
      await ordered.framesCount(100);
      const numbers = (client: LiveClient) => client.frames.map(({ header }) => header.frame);
      for (const [index, frame] of numbers(nth).entries()) {
        if (index > 0) assert(frame >= numbers(nth)[index - 1]! + 10);
      }
      for (const [index, frame] of numbers(ordered).entries()) {
        assert.equal(frame, numbers(ordered)[0]! + index);
      }
      const sentS = capped.frames.map(({ header }) => Number(header.tSentNs) / 1e9);
      const rateHz = (sentS.length - 1) / (sentS.at(-1)! - sentS[0]!);
      assert(rateHz < 21, `${rateHz} frames per second`);
      const { framesSkipped, frame } = capped.frames.at(-1)!.header;
      assert.equal(framesSkipped, frame - numbers(capped)[0]! + 1 - capped.frames.length);
    });
  });

  Deno.test(`frames, ${kind}: without acks three frames come and no more`, async () => {
    await using box = await TestBox.create();
    const run = box.runId("acks");
    await whilePublishing(box, run, 5, async (serve) => {
      const client = await LiveClient.open(box, serve, kind);
      client.acks = false;
      client.subscribe(1, run);
      await client.framesCount(3);
      await sleep(300);
      assert.equal(client.frames.length, 3);
      client.ack(1, client.frames.at(-1)!.header.frame);
      await client.framesCount(6);
    });
  });
}
