/**
 * The packets of one run's stream, on their way to the viewers on its lanes. There is one while the run has such a
 * viewer; it owns the native stream.
 *
 * A packet is taken from the stream only when a viewer has room for one, and the stream samples only then: a single
 * viewer that is slow costs no keyframe. Where several are, one without room misses the packet and waits for a keyframe.
 */

import { HEAD_BYTES, PixelFormat } from "../proto/wire.ts";
import { NOT_WOKEN_NS } from "./dispatch.ts";
import { type FrameBuffer, FramePool } from "./frame_pool.ts";
import type { RunMetrics } from "./metrics.ts";
import { OutputLane } from "./output_lane.ts";
import type { Grid } from "./phase_lock.ts";
import { StreamTotals } from "./stream_totals.ts";
import type { Subscription } from "./subscription.ts";
import { demandOf, sameSettings, type StreamViewer } from "./video_demand.ts";
import { EncoderKind, VideoOutput, type VideoSettings, type VideoStatus } from "../ffi/stream.ts";
import type { StreamHold, VideoStream } from "./video_stream.ts";
import { outputOf, VideoViewer } from "./video_viewer.ts";

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
/** JPEG has no bitrate of its own; its floor is a tenth of this, a quality that can still be looked at. */
const JPEG_DEFAULT_KBPS = 5_000;
const JPEG_QUALITY_MIN = 30;
const JPEG_QUALITY_MAX = 80;

export interface VideoFeedOptions {
  /** Starts the stream's thread. */
  open: (settings: VideoSettings) => StreamHold;
  clockNs: () => bigint;
  metrics: RunMetrics;
  /** {@link EncoderKind} */
  encoder: number;
  gopMs: number;
  /** The producer encodes: the stream begins with what it publishes next, which need not be a keyframe. */
  passed: boolean;
  /** A packet came whose picture has this size. */
  onSize: (width: number, height: number) => void;
  /** Called when it is time to {@link VideoFeed.pump}. */
  onTimer: () => void;
}

/** Dispose it before the reader and the controller of its stream. Everything may throw what the stream throws. */
export class VideoFeed implements Disposable {
  readonly #options: VideoFeedOptions;
  readonly #hold: StreamHold;
  readonly #stream: VideoStream;
  readonly #totals: StreamTotals;
  readonly #pool = new FramePool();
  readonly #viewers = new Map<Subscription, VideoViewer>();
  readonly #outputs = [new OutputLane(VideoOutput.H264), new OutputLane(VideoOutput.Jpeg)];
  #settings: VideoSettings;
  #status: VideoStatus;
  #grid: Grid | null = null;
  #defaultKbps = 0;
  #width = 0;
  #height = 0;
  #finishing = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: VideoFeedOptions, subscriptions: Iterable<Subscription>) {
    this.#options = options;
    this.#totals = new StreamTotals(options.metrics.stream);
    this.#setViewers(subscriptions);
    this.#settings = this.#demand();
    this.#hold = options.open(this.#settings);
    this.#stream = this.#hold.stream;
    this.#status = this.#stream.readStatus();
    const nowNs = Number(options.clockNs());
    if (!options.passed) { for (const { desk } of this.#outputs) desk.awaitFrom(nowNs); }
    this.#settle();
  }

  /** As last read: once a second, and when the encoder changes. */
  get status(): VideoStatus {
    return this.#status;
  }

  /** Those of the subscriptions that are on a lane of the stream; each that joins is sent a keyframe first. */
  follow(subscriptions: Iterable<Subscription>): void {
    if (this.#viewers.size === 0) this.#discard();
    this.#setViewers(subscriptions);
    this.#settle();
  }

  /** What was made for viewers who have gone is old by the time another one comes. */
  #discard(): void {
    for (let packet = this.#take(); packet !== null; packet = this.#take()) {
      this.#outputOf(packet).came(packet.keyframe);
      this.#pool.give(packet);
    }
  }

  #outputOf({ format }: FrameBuffer): OutputLane {
    const output = format === PixelFormat.Jpeg ? VideoOutput.Jpeg : VideoOutput.H264;
    return this.#outputs.find((lane) => lane.output === output)!;
  }

  #setViewers(subscriptions: Iterable<Subscription>): void {
    const left = new Set(this.#viewers.keys());
    for (const subscription of subscriptions) {
      const output = outputOf(subscription.lane?.kind ?? "raw");
      if (output === 0) continue;
      left.delete(subscription);
      if (this.#viewers.get(subscription)?.output === output) continue;
      this.#viewers.set(subscription, new VideoViewer(subscription, output));
    }
    for (const subscription of left) this.#viewers.delete(subscription);
  }

  /** When frames are sampled; null = as they come. */
  set grid(grid: Grid | null) {
    this.#grid = grid;
    this.#settle();
  }

  /** The viewer's decoder has lost the thread. */
  onKeyframeRequest(subscription: Subscription): void {
    this.#viewers.get(subscription)?.gate.close();
    this.#settle();
  }

  /** Sends the packets that are there to all who can take them. Returns whether anybody was sent one. */
  pump(wokenNs: bigint): boolean {
    let sent = false;
    while (this.#anyRoom()) {
      const packet = this.#take();
      if (packet === null) break;
      if (this.#deliver(packet, wokenNs, false)) sent = true;
    }
    this.#settle();
    return sent;
  }

  #anyRoom(): boolean {
    return this.#viewers.values().some(({ hasRoom }) => hasRoom);
  }

  /**
   * The run is over: what is left goes to whoever can decode it, acked or not. To be called again when more comes: the
   * stream may still be at work on the last frame.
   */
  finish(): void {
    this.#finishing = true;
    this.#settle();
    for (let packet = this.#take(); packet !== null; packet = this.#take()) {
      this.#deliver(packet, NOT_WOKEN_NS, true);
    }
  }

  #take(): FrameBuffer | null {
    let buffer = this.#pool.take();
    for (;;) {
      const result = this.#stream.take(buffer.slot);
      if (result === "packet") {
        buffer.messageBytes = HEAD_BYTES + this.#stream.bytesTaken;
        return buffer;
      }
      this.#pool.give(buffer);
      if (result === "none") return null;
      buffer = this.#pool.take(HEAD_BYTES + this.#stream.bytesTaken);
    }
  }

  /** The first viewer gets the buffer, the others copies, since each message carries its viewer's own stamp. */
  #deliver(packet: FrameBuffer, wokenNs: bigint, last: boolean): boolean {
    const { clockNs, metrics, onSize } = this.#options;
    const lane = this.#outputOf(packet);
    const { output } = lane;
    const { keyframe } = packet;
    lane.came(keyframe);
    this.#onSize(packet);
    onSize(packet.width, packet.height);
    const nowNs = clockNs();
    let taken = false;
    for (const viewer of this.#viewers.values()) {
      if (viewer.output !== output || !(last || viewer.isDue(packet, Number(nowNs)))) continue;
      if (!viewer.offer(packet, keyframe, last)) {
        metrics.packetsMissed.inc();
        continue;
      }
      this.#send(viewer.subscription, taken ? this.#pool.copy(packet) : packet, nowNs);
      if (wokenNs !== NOT_WOKEN_NS) {
        metrics.wakeToSend.observe(Number(nowNs - wokenNs) / NS_PER_S);
      }
      taken = true;
    }
    if (taken) metrics.encodedToSend.observe(Number(nowNs - packet.encodedNs) / NS_PER_S);
    else this.#pool.give(packet);
    return taken;
  }

  #send(subscription: Subscription, packet: FrameBuffer, nowNs: bigint): void {
    const { metrics } = this.#options;
    const skippedBefore = subscription.pacer.framesSkipped;
    subscription.sendPacket(packet, this.#pool, nowNs);
    metrics.framesSent.inc();
    metrics.bytesSent.inc(packet.messageBytes);
    metrics.framesSkipped.inc(subscription.pacer.framesSkipped - skippedBefore);
  }

  #onSize({ width, height }: FrameBuffer): void {
    if (width === this.#width && height === this.#height) return;
    this.#width = width;
    this.#height = height;
    for (const lane of this.#outputs) lane.restart();
  }

  /** Tells the stream what is wanted now, and asks for keyframes where they are due. */
  #settle(): void {
    const settings = this.#demand();
    if (!sameSettings(settings, this.#settings)) this.#stream.set(settings);
    this.#settings = settings;
    this.#askKeyframes();
  }

  #askKeyframes(): void {
    clearTimeout(this.#timer);
    const nowNs = Number(this.#options.clockNs());
    let outputs = 0;
    let dueNs = Infinity;
    for (const { output, desk } of this.#outputs) {
      const wantedNs = Math.min(...this.#viewersOf(output).map((viewer) => viewer.keyframeDueNs));
      if (wantedNs === Infinity) continue;
      if (wantedNs <= nowNs && desk.ask(nowNs)) outputs |= output;
      else dueNs = Math.min(dueNs, Math.max(wantedNs, desk.dueNs));
    }
    if (outputs !== 0) {
      this.#options.metrics.keyframeRequests.inc();
      this.#stream.requestKeyframe(outputs);
    }
    if (dueNs === Infinity) return;
    this.#timer = setTimeout(this.#options.onTimer, Math.ceil((dueNs - nowNs) / NS_PER_MS));
  }

  #viewersOf(output: number): VideoViewer[] {
    return this.#viewers.values().filter((viewer) => viewer.output === output).toArray();
  }

  #demand(): VideoSettings {
    const { encoder, gopMs } = this.#options;
    const [h264, jpeg] = this.#outputs as [OutputLane, OutputLane];
    const ratesHz = this.#outputs.map(({ rateMaxHz }) => rateMaxHz ?? Infinity);
    const rateMaxHz = Math.min(...ratesHz);
    return demandOf(this.#viewers.values().map((viewer) => this.#asWanted(viewer)).toArray(), {
      encoder,
      gopMs,
      grid: this.#grid,
      rateMaxHz: rateMaxHz === Infinity ? null : rateMaxHz,
      bitrateKbps: h264.share === 1 ? 0 : Math.round(this.#defaultKbps * h264.share),
      jpegQuality: Math.round(
        JPEG_QUALITY_MIN + (JPEG_QUALITY_MAX - JPEG_QUALITY_MIN) * jpeg.share,
      ),
    });
  }

  #asWanted({ settings, output, hasRoom, subscription }: VideoViewer): StreamViewer {
    return { settings, output, hasRoom: this.#finishing ? subscription.reachable : hasRoom };
  }

  /** About ten times a second: adapts to what the viewers and their links do. */
  onTick(): void {
    if (this.#status.encoder === EncoderKind.Passed) return;
    const nowNs = Number(this.#options.clockNs());
    let changed = false;
    for (const lane of this.#outputs) {
      const viewers = this.#viewersOf(lane.output);
      const kbps = lane.output === VideoOutput.Jpeg ? JPEG_DEFAULT_KBPS : this.#defaultKbps;
      if (lane.adapt(nowNs, viewers, kbps)) changed = true;
    }
    if (changed) this.#settle();
  }

  /** Once a second, and when the encoder changed. */
  readStatus(): VideoStatus {
    this.#status = this.#stream.readStatus();
    this.#totals.add(this.#status);
    // What it aims at when nobody tells it to is the default for this size and rate.
    if (this.#settings.bitrateKbps === 0) this.#defaultKbps = this.#status.bitrateKbps;
    return this.#status;
  }

  /** Stops the stream's thread, which takes at most as long as one frame. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    try {
      this.readStatus();
    } finally {
      this.#hold[Symbol.dispose]();
    }
  }
}
