import assert from "node:assert/strict";
import { FRAME_PAYLOAD_OFFSET, HEAD_BYTES, PixelFormat, writeHead } from "../../proto/wire.ts";
import { FramePool } from "../../viewer/frame_pool.ts";
import { Presenter } from "../../viewer/presenter.ts";
import type { Renderer } from "../../viewer/renderer.ts";

const [WIDTH, HEIGHT] = [4, 2];

function frameMessage(pool: FramePool, frame: number, width = WIDTH): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pool.take(1), 0, FRAME_PAYLOAD_OFFSET + WIDTH * HEIGHT);
  bytes.fill(0);
  writeHead(bytes, 68, 1);
  const view = new DataView(bytes.buffer, HEAD_BYTES);
  view.setBigUint64(8, BigInt(frame), true);
  view.setUint32(56, width, true);
  view.setUint32(60, HEIGHT, true);
  view.setUint32(64, PixelFormat.Gray8, true);
  view.setUint32(68, width, true);
  view.setUint32(72, WIDTH * HEIGHT, true);
  return bytes;
}

function setUp() {
  const pool = new FramePool();
  const drawn: number[] = [];
  const done: number[] = [];
  const errors: string[] = [];
  const renderer: Renderer & { contextLost: boolean } = {
    kind: "2d",
    contextLost: false,
    draw: (header) => void drawn.push(header.frame),
    readPixels: () => new Uint8Array(WIDTH * HEIGHT * 4),
  };
  const clock = { nowMs: 0 };
  const presenter = new Presenter(renderer, {
    nowMs: () => clock.nowMs,
    pool,
    onDrawn() {},
    onDone: (frame) => done.push(frame),
    onError: (message) => errors.push(message),
  });
  return { pool, drawn, done, errors, renderer, presenter, clock };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

Deno.test("presenter: live, a frame is drawn at once, and of those behind it the newest wins", async () => {
  const { pool, drawn, done, presenter } = setUp();
  for (const frame of [1, 2, 3, 4]) presenter.receive(frameMessage(pool, frame), 0);
  assert.deepEqual(drawn, [1]);
  await turn();
  assert.deepEqual([drawn, done], [[1, 4], [1, 4]]);
  const { framesReceived, framesShown, framesReplaced } = presenter;
  assert.deepEqual([framesReceived, framesShown, framesReplaced], [4, 2, 2]);
  presenter.close();
});

Deno.test("presenter: live, frames that find the worker idle never wait", () => {
  const { pool, drawn, presenter, clock } = setUp();
  for (const frame of [1, 2, 3]) {
    presenter.receive(frameMessage(pool, frame), 0);
    clock.nowMs += 16;
  }
  assert.deepEqual(drawn, [1, 2, 3]);
  presenter.close();
});

Deno.test("presenter: not live, every frame is drawn in order, at once", () => {
  const { pool, drawn, presenter } = setUp();
  presenter.stayLive = false;
  for (const frame of [1, 2, 3]) presenter.receive(frameMessage(pool, frame), 0);
  assert.deepEqual(drawn, [1, 2, 3]);
  presenter.close();
});

Deno.test("presenter: ten thousand frames use three buffers", async () => {
  const { pool, presenter } = setUp();
  for (let frame = 1; frame <= 10_000; frame++) {
    presenter.receive(frameMessage(pool, frame), 0);
    if (frame % 100 === 0) await turn();
  }
  assert.ok(pool.buffersMade <= 3, `${pool.buffersMade} buffers`);
  presenter.close();
});

Deno.test("presenter: a damaged frame is reported, not kept, and the next one is drawn", async () => {
  const { pool, drawn, done, errors, presenter } = setUp();
  presenter.receive(frameMessage(pool, 1, 400), 0);
  await turn();
  assert.match(errors[0]!, /frame 1 is damaged: 400 × 2/);
  assert.equal(presenter.shown, null);
  presenter.receive(frameMessage(pool, 2), 0);
  await turn();
  // Both were answered, so that the server goes on.
  assert.deepEqual([drawn, done], [[2], [1, 2]]);
  presenter.close();
});

Deno.test("presenter: while the context is lost the newest frame is kept, and drawn when it is back", async () => {
  const { pool, drawn, done, renderer, presenter } = setUp();
  renderer.contextLost = true;
  presenter.receive(frameMessage(pool, 1), 0);
  await turn();
  presenter.receive(frameMessage(pool, 2), 0);
  await turn();
  assert.deepEqual([drawn, done], [[], [1, 2]]);
  renderer.contextLost = false;
  presenter.redraw();
  assert.deepEqual(drawn, [2]);
  presenter.close();
});
