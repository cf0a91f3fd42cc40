/**
 * No picture leaks, none is closed twice, and none is drawn behind a newer one, whatever happens: a hundred thousand
 * frames through the real pipelines, mux and presenter, with seeks, lost graphics contexts, decoders that fail, stand
 * still or are slow, lanes that change, gaps, and frames that are replaced.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { PixelFormat } from "../../proto/wire.ts";
import { FramePool } from "../../viewer/frame_pool.ts";
import type { PipelineSink } from "../../viewer/pipeline.ts";
import { JpegPipeline } from "../../viewer/pipeline_jpeg.ts";
import { RawPipeline } from "../../viewer/pipeline_raw.ts";
import { WebCodecsPipeline } from "../../viewer/pipeline_webcodecs.ts";
import { Presenter } from "../../viewer/presenter.ts";
import { SourceMux } from "../../viewer/source_mux.ts";
import { randomOf } from "../harness/random.ts";
import {
  BitmapDecoderDouble,
  decoderFactory,
  PictureDouble,
  receivedFrame,
  RendererDouble,
  testTools,
  TimerDouble,
} from "./doubles.ts";

const RUNS = 10;
const FRAMES_PER_RUN = 10_000;
/** 24 wait for their time, one is on the screen, the device holds four, and one is just being handed on. */
const LEASES_MAX = 30;
const FORMATS = [PixelFormat.Gray8, PixelFormat.H264, PixelFormat.Jpeg] as const;

/** A pool that knows what it has lent. */
class StrictPool extends FramePool {
  readonly lent = new Set<ArrayBuffer>();
  readonly #complain: (complaint: string) => void;

  constructor(complain: (complaint: string) => void) {
    super();
    this.#complain = complain;
  }

  override take(bytes: number): ArrayBuffer {
    const buffer = super.take(bytes);
    if (this.lent.has(buffer)) this.#complain("a buffer is lent twice");
    this.lent.add(buffer);
    return buffer;
  }

  override give(buffer: ArrayBuffer): void {
    if (!this.lent.delete(buffer)) this.#complain("a buffer is given back twice");
    super.give(buffer);
  }
}

async function play(seed: number): Promise<{ shown: number; happened: Record<string, number> }> {
  const random = randomOf(seed);
  const chance = (share: number) => random() < share;
  const below = (end: number) => Math.floor(random() * end);

  /** Gathered, since some happen where nobody waits for an error. */
  const complaints: string[] = [];
  const pool = new StrictPool((complaint) => complaints.push(complaint));
  const tools = { ...testTools(), pool };
  const timer = new TimerDouble(tools.clock);
  const factory = decoderFactory();
  const bitmaps = new BitmapDecoderDouble();
  const renderer = new RendererDouble();
  const openBefore = PictureDouble.open;
  let keyframeWanted = true;
  let drawn = { frame: 0, epoch: 0 };
  let epoch = 0;
  const epochs = new Map<bigint, number>();
  let stayLive = true;
  let offsetMs = 0;

  const presenter = new Presenter(renderer, {
    nowMs: tools.nowMs,
    wakeAfter: timer.wakeAfter,
    pageMsAt: (serverMs) => serverMs - offsetMs,
    moreComing: () => mux.active!.framesPending > 0,
    onDrawn({ header }) {
      const now = { frame: header.frame, epoch: epochs.get(header.tMonoNs)! };
      const advances = now.epoch > drawn.epoch ||
        (now.epoch === drawn.epoch && now.frame >= drawn.frame);
      if (!advances) complaints.push(`frame ${now.frame} is drawn after ${drawn.frame}`);
      drawn = now;
    },
    onDone() {},
    onError() {},
  });
  const sink: PipelineSink = {
    onPicture: (frame) => presenter.present(frame),
    onDone() {},
    onError() {},
    onKeyframeWanted: () => keyframeWanted = true,
    onLaneLost: () => keyframeWanted = true,
  };
  const mux = new SourceMux(
    {
      raw: (sink: PipelineSink) => new RawPipeline(tools, sink),
      jpeg: (sink: PipelineSink) => new JpegPipeline(tools, sink, bitmaps.decode, () => stayLive),
      h264: (sink: PipelineSink) =>
        new WebCodecsPipeline(tools, sink, factory, { acceleration: "prefer-hardware" }),
    },
    sink,
    tools.nowMs,
  );

  const happened: Record<string, number> = {};
  const events: Record<string, () => void> = {
    seek() {
      mux.restart();
      presenter.restart();
      keyframeWanted = true;
    },
    contextLost: () => renderer.loseContext(),
    contextRestored() {
      renderer.contextLost = false;
      presenter.redraw();
    },
    decoderError: () => factory.decoders.at(-1)?.fail("by chance"),
    pictureLeftOut: () => void factory.decoders.at(-1)?.queue.shift(),
    kick: () => mux.kick(),
    laneSwitch: () => format = FORMATS[below(FORMATS.length)]!,
    lostPacket: () => packet++,
    newProducer() {
      epoch++;
      frame = 0;
      packet = 0;
      keyframeWanted = true;
    },
    latency: () => presenter.latencyMs = [0, 0, 40, 500][below(4)]!,
    stayLive: () => presenter.stayLive = stayLive = !stayLive,
    clockSetRight: () => offsetMs = below(100),
    slowDevice: () => renderer.deviceIsSlow = !renderer.deviceIsSlow,
    drawError: () => renderer.failure = "by chance",
    save: () => void presenter.readShown(chance(0.5)),
  };
  const names = Object.keys(events);
  let format: number = FORMATS[below(FORMATS.length)]!;
  let [frame, packet] = [0, 0];

  for (let sent = 0; sent < FRAMES_PER_RUN; sent++) {
    if (chance(0.02)) {
      const name = names[below(names.length)]!;
      happened[name] = (happened[name] ?? 0) + 1;
      events[name]!();
    }
    if (chance(0.05)) events.contextRestored!();
    if (chance(0.05)) renderer.failure = null;
    timer.advanceTo(tools.clock.nowMs + below(20));
    frame++;
    const isKeyframe = keyframeWanted && chance(0.3);
    if (isKeyframe) keyframeWanted = false;
    const tMonoNs = BigInt(Math.round((tools.clock.nowMs - 5) * 1e6)) + BigInt(sent);
    epochs.set(tMonoNs, epoch);
    const overlay = chance(0.3);
    mux.push(
      receivedFrame(pool, { frame, format, packet: ++packet, isKeyframe, overlay, tMonoNs }),
    );
    if (chance(0.7)) factory.decoders.at(-1)?.output(1 + below(4));
    if (chance(0.7)) renderer.gl.pass();
    if (chance(0.2)) mux.tick(tools.clock.nowMs);
    if (chance(0.2)) renderer.tick();
    if (chance(0.02)) await (chance(0.1) ? bitmaps.fail("by chance") : bitmaps.output());
    if (tools.leases.live > LEASES_MAX) complaints.push(`${tools.leases.live} pictures are held`);
    assert.deepEqual(complaints, []);
  }

  mux.close();
  presenter.close();
  renderer.hold.releaseAll();
  while (bitmaps.busy) await bitmaps.output();
  assert.deepEqual(
    [tools.leases.live, PictureDouble.open - openBefore, pool.lent.size, renderer.gl.open.size],
    [0, 0, 0, 0],
  );
  return { shown: renderer.drawn.length, happened };
}

Deno.test("leases: none leaks through 100,000 frames and whatever happens to them", async () => {
  const all: Record<string, number> = {};
  let shown = 0;
  const anySeed = fc.integer({ min: 0, max: 2 ** 31 });
  // A failure prints fast-check's seed, and with it the run's own.
  await fc.assert(
    fc.asyncProperty(anySeed, async (seed) => {
      const played = await play(seed);
      shown += played.shown;
      for (const [name, times] of Object.entries(played.happened)) {
        all[name] = (all[name] ?? 0) + times;
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  // The test would see nothing if hardly any frame came through, or nothing happened.
  assert.ok(shown > RUNS * FRAMES_PER_RUN / 10, `${shown} frames were drawn`);
  assert.deepEqual(Object.values(all).filter((times) => times < RUNS), [], JSON.stringify(all));
});
