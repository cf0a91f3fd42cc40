/**
 * The picture of one run in the worker: frames of its subscription go through the source mux and its pipelines to the
 * presenter and the renderer, and observers are told where each frame is.
 */

import {
  decodeFrameHeader,
  HEAD_BYTES,
  type InputEvent,
  type Message,
  MessageType,
} from "../proto/wire.ts";
import type { Abilities } from "./abilities.ts";
import type { ServerClock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import type { DecodedFrame, ReceivedFrame } from "./decoded_frame.ts";
import type { LeaseRegistry } from "./frame_lease.ts";
import { FramePool } from "./frame_pool.ts";
import { LatencyMeter } from "./latency.ts";
import type {
  DecodingStatus,
  FrameCounters,
  OpenViewer,
  PictureStatus,
  StreamSettings,
} from "./messages.ts";
import type { PipelineSink, PipelineTools } from "./pipeline.ts";
import { decodeBitmap, JpegPipeline } from "./pipeline_jpeg.ts";
import { RawPipeline } from "./pipeline_raw.ts";
import { browserDecoders, WebCodecsPipeline } from "./pipeline_webcodecs.ts";
import { PixelReader } from "./pixel_reader.ts";
import { encodePng } from "./png.ts";
import { Presenter } from "./presenter.ts";
import { RateMeter } from "./rate_meter.ts";
import {
  chooseRenderer,
  type OverlaySettings,
  probeWebGl,
  type Renderer,
  type RendererChoice,
} from "./renderer.ts";
import { Renderer2d } from "./renderer_2d.ts";
import { RendererWebGl } from "./renderer_webgl.ts";
import { SourceMux } from "./source_mux.ts";
import { Subscription } from "./subscription.ts";

const ACK_REPEAT_MS = 100;

/** Told where each frame is; frames may be read during the call only. */
export interface PictureObserver {
  /** Another subscription begins. */
  onBegin?(nowMs: number): void;
  onReceived?(frame: ReceivedFrame): void;
  /** It has become a picture. */
  onDecoded?(frame: DecodedFrame): void;
  /** Its drawing calls are done. */
  onDrawn?(frame: DecodedFrame, drawnAtMs: number): void;
}

export class Picture {
  readonly subscription: Subscription;
  readonly choice: RendererChoice;
  readonly latency = new LatencyMeter();
  readonly observers: PictureObserver[] = [];
  readonly #renderer: Renderer;
  readonly #presenter: Presenter;
  readonly #mux: SourceMux;
  readonly #clock: ServerClock;
  readonly #leases: LeaseRegistry = { live: 0, opened: 0 };
  readonly #counters = { framesDropped: 0, restarts: 0, keyframeRequests: 0 };
  readonly #drawn = new RateMeter();
  readonly #receivedBytes = new RateMeter();
  #framesReceived = 0;
  #skippedByServer = 0;
  #visible = true;
  #begunAtMs = 0;
  #stayLive: boolean;
  drawError: string | null = null;

  constructor(
    options: NonNullable<OpenViewer["picture"]>,
    abilities: Abilities,
    connection: Connection,
    clock: ServerClock,
    pool: FramePool,
  ) {
    const { run, settings, canvas } = options;
    this.#clock = clock;
    this.#stayLive = settings.stayLive;
    this.subscription = new Subscription(run, settings, abilities.accepts, connection);
    this.choice = chooseRenderer(options.forcedRenderer, probeWebGl());
    this.#renderer = this.choice.kind === "webgl"
      ? new RendererWebGl(canvas, () => this.#presenter.redraw())
      : new Renderer2d(canvas);
    this.#presenter = new Presenter(this.#renderer, {
      nowMs: () => performance.now(),
      wakeAfter(delayMs, run) {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
      pageMsAt: (serverMs) => clock.pageMsAt(serverMs),
      moreComing: () => (this.#mux.active?.framesPending ?? 0) > 0,
      onDrawn: (frame, drawnAtMs) => this.#onDrawn(frame, drawnAtMs),
      onDone: (frame) => this.#acknowledge(frame),
      onError: (message) => this.drawError = message,
    });
    this.#presenter.overlay = options.overlay;
    this.#presenter.stayLive = settings.stayLive;
    this.#presenter.latencyMs = settings.latencyMs;
    const nowMs = () => performance.now();
    this.#mux = this.#createMux(
      {
        pool,
        leases: this.#leases,
        pixels: this.#renderer.kind === "2d" ? new PixelReader(new FramePool()) : null,
        counters: this.#counters,
        nowMs,
      },
      { acceleration: abilities.acceleration },
    );
  }

  #createMux(tools: PipelineTools, preference: { acceleration: HardwareAcceleration }): SourceMux {
    const sink: PipelineSink = {
      onPicture: (frame) => {
        for (const observer of this.observers) observer.onDecoded?.(frame);
        this.#presenter.present(frame);
      },
      onDone: (frame) => this.#acknowledge(frame),
      onError: (message) => this.drawError = message,
      onKeyframeWanted: () => this.subscription.requestKeyframe(),
      onLaneLost: (lane) => this.subscription.refuse(lane),
    };
    const makers = {
      raw: (sink: PipelineSink) => new RawPipeline(tools, sink),
      jpeg: (sink: PipelineSink) =>
        new JpegPipeline(tools, sink, decodeBitmap, () => this.#stayLive),
      h264: (sink: PipelineSink) => new WebCodecsPipeline(tools, sink, browserDecoders, preference),
    };
    return new SourceMux(makers, sink, tools.nowMs);
  }

  /** Asks for frames on a session that has just opened; a hidden page waits until it is seen. */
  sessionOpened(): void {
    this.subscription.forget();
    if (this.#visible) this.#begin();
  }

  set visible(visible: boolean) {
    if (visible === this.#visible) return;
    this.#visible = visible;
    if (visible) this.#begin();
    else this.subscription.end();
  }

  set settings(settings: StreamSettings) {
    this.#stayLive = this.#presenter.stayLive = settings.stayLive;
    this.#presenter.latencyMs = settings.latencyMs;
    this.subscription.settings = settings;
  }

  set overlay(overlay: OverlaySettings) {
    this.#presenter.overlay = overlay;
    this.#presenter.redraw();
  }

  input(events: InputEvent[]): void {
    this.subscription.input(events);
  }

  receive(message: Message): void {
    if (!this.subscription.owns(message.handle)) return;
    const { epoch } = this.subscription;
    this.subscription.receive(message);
    if (message.type === MessageType.State && this.subscription.epoch !== epoch) {
      this.#mux.forgetPosition();
    }
  }

  receiveFrame(handle: number, bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): boolean {
    if (!this.subscription.owns(handle)) return false;
    const frame = { bytes, header: decodeFrameHeader(bytes.subarray(HEAD_BYTES)), receivedAtMs };
    this.#framesReceived++;
    this.#receivedBytes.add(receivedAtMs, bytes.byteLength);
    for (const observer of this.observers) observer.onReceived?.(frame);
    this.#mux.push(frame);
    return true;
  }

  /** Starts a pipeline anew that stands still. */
  kick(): void {
    this.#mux.kick();
  }

  /** To be called about ten times a second. */
  tick(nowMs: number): void {
    this.#mux.tick(nowMs);
    this.#renderer.tick();
    this.subscription.repeatAck(this.#presenter.framesShown, nowMs, ACK_REPEAT_MS);
  }

  get contextLost(): boolean {
    return this.#renderer.contextLost;
  }

  get framesPerSecond(): number {
    return this.#drawn.perSecond(performance.now());
  }

  get counters(): FrameCounters {
    return {
      received: this.#framesReceived,
      shown: this.#presenter.framesShown,
      skipped: this.#skippedByServer + this.framesDropped,
    };
  }

  /** Frames of this subscription that came and were not drawn. */
  get framesDropped(): number {
    const { framesReplaced } = this.#presenter;
    return framesReplaced + this.#mux.framesOvertaken + this.#counters.framesDropped;
  }

  /** Times that a decoder was started anew. */
  get decoderRestarts(): number {
    return this.#counters.restarts;
  }

  get shown(): PictureStatus | null {
    const header = this.#presenter.shown?.header;
    if (header === undefined) return null;
    const { width, height, format, frame, step, episode, reward } = header;
    const { overlayWidth, overlayHeight } = header;
    return { width, height, format, frame, step, episode, reward, overlayWidth, overlayHeight };
  }

  /** null while raw frames come. */
  get decoding(): DecodingStatus | null {
    const pipeline = this.#mux.active;
    if (pipeline === null || pipeline.lane === "raw") return null;
    const { codec, acceleration, framesPending } = pipeline;
    const { restarts, keyframeRequests } = this.#counters;
    return {
      codec,
      acceleration,
      bitrateKbps: this.#receivedBytes.perSecond(performance.now()) * 8 / 1_000,
      decoderQueue: framesPending,
      presenterQueue: this.#presenter.framesWaiting,
      leases: this.#leases.live,
      restarts,
      keyframeRequests,
    };
  }

  /** The frame on the screen as a PNG of its own size. Throws when there is none. */
  async savePng(
    withOverlay: boolean,
  ): Promise<{ png: Uint8Array<ArrayBuffer>; frame: number }> {
    const read = this.#presenter.readShown(withOverlay);
    if (read === null) throw new Error("there is no picture to save");
    const { rgba, header } = read;
    return { png: await encodePng(rgba, header.width, header.height), frame: header.frame };
  }

  #begin(): void {
    // What a decoder still owes of the old subscription must not be acknowledged in the new one.
    this.#mux.restart();
    this.#presenter.restart();
    this.#framesReceived = this.#skippedByServer = this.#counters.framesDropped = 0;
    this.latency.reset();
    this.#begunAtMs = performance.now();
    this.subscription.begin();
    for (const observer of this.observers) observer.onBegin?.(this.#begunAtMs);
  }

  #acknowledge(frame: number): void {
    this.subscription.ack(frame, this.#presenter.framesShown, performance.now());
  }

  #onDrawn(frame: DecodedFrame, drawnAtMs: number): void {
    this.drawError = null;
    this.subscription.pictureShown();
    this.#skippedByServer = frame.header.framesSkipped;
    this.#drawn.add(drawnAtMs);
    this.#measure(frame, drawnAtMs);
    for (const observer of this.observers) observer.onDrawn?.(frame, drawnAtMs);
  }

  #measure({ header, receivedAtMs, decodedAtMs }: DecodedFrame, drawnAtMs: number): void {
    const receivedServerMs = this.#clock.serverMsAt(receivedAtMs);
    const begunServerMs = this.#clock.serverMsAt(this.#begunAtMs);
    const steppedAtMs = Number(header.tMonoNs) / 1e6;
    // A frame from before this subscription is old because nobody had asked for it.
    if (receivedServerMs === null || steppedAtMs < begunServerMs!) return;
    const offsetMs = receivedServerMs - receivedAtMs;
    this.latency.addFrame({
      steppedAtMs,
      wokenAtMs: Number(header.tWokenNs) / 1e6,
      encodedAtMs: header.tEncodedNs === 0n ? null : Number(header.tEncodedNs) / 1e6,
      sentAtMs: Number(header.tSentNs) / 1e6,
      receivedAtMs: receivedServerMs,
      decodedAtMs: decodedAtMs === null ? null : decodedAtMs + offsetMs,
      drawnAtMs: drawnAtMs + offsetMs,
    }, drawnAtMs);
  }
}
