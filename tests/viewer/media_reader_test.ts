import assert from "node:assert/strict";
import { encodeBinary, type Message, MessageType, WireError } from "../../proto/wire.ts";
import { FramePool } from "../../viewer/frame_pool.ts";
import { readMedia } from "../../viewer/media_reader.ts";

/** A byte stream that hands out its bytes in pieces of `pieceBytes`, as a network does. */
function streamOf(bytes: Uint8Array<ArrayBuffer>, pieceBytes: number): ReadableStream<Uint8Array> {
  let offset = 0;
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (offset === bytes.byteLength) {
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      controller.enqueue(bytes.slice(offset, offset + pieceBytes));
      offset = Math.min(bytes.byteLength, offset + pieceBytes);
    },
  });
}

function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const body = Uint8Array.from({ length: 1_000 }, (_, index) => index & 255);
const open = encodeBinary(MessageType.MediaOpen, 3, new Uint8Array(0));
const frame = encodeBinary(MessageType.Frame, 3, body);

for (const pieceBytes of [1, 7, 1_008, 5_000]) {
  Deno.test(`media reader: messages in pieces of ${pieceBytes} bytes`, async () => {
    const pool = new FramePool();
    const messages: Message[] = [];
    const frames: number[][] = [];
    await readMedia(streamOf(concat(open, frame, frame), pieceBytes), pool, {
      onMessage: (message) => messages.push(message),
      onFrame(bytes) {
        frames.push([...bytes]);
        pool.give(bytes.buffer);
      },
    });
    assert.deepEqual(messages.map(({ type, handle }) => [type, handle]), [[67, 3]]);
    assert.deepEqual(frames, [[...frame], [...frame]]);
    // One is filled while the last frame is handed over.
    assert.equal(pool.buffersMade, 2);
  });
}

Deno.test("media reader: a stream that ends within a message, or announces nonsense, is an error", async () => {
  const sink = { onMessage() {}, onFrame() {} };
  const read = (bytes: Uint8Array<ArrayBuffer>) =>
    readMedia(streamOf(bytes, 64), new FramePool(), sink);
  await assert.rejects(read(frame.slice(0, 500)), WireError);
  await assert.rejects(read(frame.slice(0, 5)), WireError);
  await assert.rejects(read(new Uint8Array(8)), /announces a message of 4 bytes/);
  await assert.rejects(read(new Uint8Array(8).fill(255)), /announces a message of/);
});

/** Counts the reads that a stream is asked for, each of which crosses a process in a browser. */
function countReads(stream: ReadableStream<Uint8Array>): { reads: number } {
  const counter = { reads: 0 };
  const getReader = stream.getReader.bind(stream) as (
    options: ReadableStreamGetReaderOptions,
  ) => ReadableStreamBYOBReader;
  stream.getReader = ((options: ReadableStreamGetReaderOptions) => {
    const reader = getReader(options);
    const read = reader.read.bind(reader) as (view: Uint8Array) => Promise<never>;
    reader.read = ((view: Uint8Array) => {
      counter.reads++;
      return read(view);
    }) as typeof reader.read;
    return reader;
  }) as typeof stream.getReader;
  return counter;
}

for (const bodyBytes of [1_000, 300_000]) {
  Deno.test(`media reader: a message of ${bodyBytes} bytes that is there takes one read`, async () => {
    const [pool, frames] = [new FramePool(), 20];
    const message = encodeBinary(MessageType.Frame, 3, new Uint8Array(bodyBytes));
    let sent = 0;
    const stream: ReadableStream<Uint8Array> = new ReadableStream({
      type: "bytes",
      pull(controller) {
        if (sent++ < frames) controller.enqueue(message.slice());
        else {
          controller.close();
          controller.byobRequest?.respond(0);
        }
      },
    });
    const counter = countReads(stream);
    let received = 0;
    await readMedia(stream, pool, {
      onMessage() {},
      onFrame(bytes) {
        received++;
        assert.equal(bytes.byteLength, message.byteLength);
        pool.give(bytes.buffer);
      },
    });
    // The first is larger than expected, and the last finds the end.
    assert.ok(counter.reads <= frames + 6, `${counter.reads} reads`);
    assert.equal(received, frames);
    assert.ok(pool.buffersMade <= 3, `${pool.buffersMade} buffers`);
  });
}

Deno.test("frame pool: sizes that differ a little share a buffer; others do not pile up", () => {
  const pool = new FramePool();
  const first = pool.take(70_000);
  pool.give(first);
  assert.equal(pool.take(100_000), first);
  const MIB = 1024 * 1024;
  const rounds = (bytes: number) => {
    const madeBefore = pool.buffersMade;
    for (let round = 0; round < 10; round++) {
      const buffers = [1, 2, 3, 4, 5].map(() => pool.take(bytes));
      for (const buffer of buffers) pool.give(buffer);
    }
    return pool.buffersMade - madeBefore;
  };
  // Small ones are all kept from round to round; of large ones three.
  assert.deepEqual([rounds(MIB), rounds(4 * MIB)], [5, 5 + 9 * 2]);
});
