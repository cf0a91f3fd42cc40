import assert from "node:assert/strict";
import type { DecodedPicture } from "../../viewer/decoded_frame.ts";
import { FramePool } from "../../viewer/frame_pool.ts";
import { PixelReader } from "../../viewer/pixel_reader.ts";
import { PictureDouble } from "./doubles.ts";

/** A picture whose pixels come when the test says so. */
class SlowPicture extends PictureDouble {
  readonly copied = Promise.withResolvers<void>();
  rect: DOMRectInit | undefined;

  copyTo(_rgba: Uint8ClampedArray, { rect }: VideoFrameCopyToOptions): Promise<void> {
    this.rect = rect;
    return this.copied.promise;
  }

  asFrame(): VideoFrame {
    return this as unknown as VideoFrame;
  }
}

/** ImageData is the browser's; this is all that the reader needs of it. */
class ImageDataDouble {
  constructor(readonly data: Uint8ClampedArray, readonly width: number, readonly height: number) {}
}
Object.assign(globalThis, { ImageData: ImageDataDouble });

interface Seen {
  timestamp: number;
  kind: DecodedPicture["kind"];
  free(): void;
}

function readInto(seen: Seen[], reader: PixelReader, picture: SlowPicture): void {
  reader.read(picture.asFrame(), 3, 5, ({ kind }, free) => {
    seen.push({ timestamp: picture.timestamp, kind, free });
  });
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("pixel reader: pictures come out in order, closed, cropped to their size", async () => {
  const reader = new PixelReader(new FramePool());
  const seen: Seen[] = [];
  const [first, second] = [new SlowPicture(1), new SlowPicture(2)];
  readInto(seen, reader, first);
  readInto(seen, reader, second);
  second.copied.resolve();
  await settled();
  assert.deepEqual(seen, []);
  first.copied.resolve();
  await settled();
  assert.deepEqual(seen.map(({ timestamp, kind }) => [timestamp, kind]), [
    [1, "pixels"],
    [2, "pixels"],
  ]);
  assert(!first.isOpen && !second.isOpen);
  assert.deepEqual(first.rect, { x: 0, y: 0, width: 3, height: 5 });
});

Deno.test("pixel reader: memory that was freed is used again", async () => {
  const pool = new FramePool();
  const reader = new PixelReader(pool);
  const seen: Seen[] = [];
  for (let timestamp = 1; timestamp <= 20; timestamp++) {
    const picture = new SlowPicture(timestamp);
    picture.copied.resolve();
    readInto(seen, reader, picture);
    await settled();
    seen.at(-1)!.free();
  }
  assert.equal(pool.buffersMade, 1);
});

Deno.test("pixel reader: where pixels cannot be had the picture itself goes on, and is not asked again", async () => {
  const reader = new PixelReader(new FramePool());
  const seen: Seen[] = [];
  const [first, second] = [new SlowPicture(1), new SlowPicture(2)];
  readInto(seen, reader, first);
  first.copied.reject(new DOMException("no such format", "NotSupportedError"));
  await settled();
  readInto(seen, reader, second);
  assert.deepEqual(seen.map(({ kind }) => kind), ["video", "video"]);
  assert(first.isOpen && second.isOpen);
  for (const { free } of seen) free();
  assert(!first.isOpen && !second.isOpen);
  assert.equal(second.rect, undefined);
});

Deno.test("pixel reader: one that hangs keeps no picture of a new start waiting", async () => {
  const reader = new PixelReader(new FramePool());
  const seen: Seen[] = [];
  readInto(seen, reader, new SlowPicture(1));
  await settled();
  reader.restart();
  const second = new SlowPicture(2);
  second.copied.resolve();
  readInto(seen, reader, second);
  await settled();
  assert.deepEqual(seen.map(({ timestamp }) => timestamp), [2]);
});

Deno.test("pixel reader: what goes wrong with one picture is an error, and the next one comes out", async () => {
  const reader = new PixelReader(new FramePool());
  const errors: string[] = [];
  const listener = (event: ErrorEvent) => {
    event.preventDefault();
    errors.push(event.message);
  };
  addEventListener("error", listener);
  const [first, second] = [new SlowPicture(1), new SlowPicture(2)];
  reader.read(first.asFrame(), 3, 5, () => {
    throw new Error("it cannot be taken");
  });
  const seen: Seen[] = [];
  readInto(seen, reader, second);
  first.copied.resolve();
  second.copied.resolve();
  await settled();
  removeEventListener("error", listener);
  assert.deepEqual(seen.map(({ timestamp }) => timestamp), [2]);
  assert.match(errors[0]!, /it cannot be taken/);
});
