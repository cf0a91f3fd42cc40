/** The picture of one run in the worker: subscription, presenter, renderer and the measurement of every frame. */

import type { InputEvent, Message } from "../proto/wire.ts";
import type { ServerClock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import type { FramePool } from "./frame_pool.ts";
import { LatencyMeter } from "./latency.ts";
import type { FrameCounters, OpenViewer, PictureStatus, StreamSettings } from "./messages.ts";
import { encodePng } from "./png.ts";
import { Presenter, type ReceivedFrame } from "./presenter.ts";
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
import { Subscription } from "./subscription.ts";

const ACK_REPEAT_MS = 100;

export class Picture {
  readonly subscription: Subscription;
  readonly choice: RendererChoice;
  readonly latency = new LatencyMeter();
  readonly #renderer: Renderer;
  readonly #presenter: Presenter;
  readonly #clock: ServerClock;
  readonly #drawn = new RateMeter();
  #skippedByServer = 0;
  #displayRequested = false;
  #visible = true;
  #begunAtMs = 0;
  drawError: string | null = null;

  constructor(
    options: NonNullable<OpenViewer["picture"]>,
    connection: Connection,
    clock: ServerClock,
    pool: FramePool,
  ) {
    this.#clock = clock;
    this.subscription = new Subscription(options.run, options.settings, connection);
    this.choice = chooseRenderer(options.forcedRenderer, probeWebGl());
    this.#renderer = this.choice.kind === "webgl"
      ? new RendererWebGl(options.canvas, () => this.#presenter.redraw())
      : new Renderer2d(options.canvas);
    this.#presenter = new Presenter(this.#renderer, {
      nowMs: () => performance.now(),
      pool,
      onDrawn: (frame, drawnAtMs) => this.#measure(frame, drawnAtMs),
      onDone: (frame) =>
        this.subscription.ack(frame, this.#presenter.framesShown, performance.now()),
      onError: (message) => this.drawError = message,
    });
    this.#presenter.overlay = options.overlay;
    this.#presenter.stayLive = options.settings.stayLive;
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
    this.#presenter.stayLive = settings.stayLive;
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
    if (this.subscription.owns(message.handle)) this.subscription.receive(message);
  }

  receiveFrame(handle: number, bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): boolean {
    if (!this.subscription.owns(handle)) return false;
    this.#presenter.receive(bytes, receivedAtMs);
    return true;
  }

  /** To be called about ten times a second. */
  tick(nowMs: number): void {
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
      received: this.#presenter.framesReceived,
      shown: this.#presenter.framesShown,
      skipped: this.#skippedByServer + this.#presenter.framesReplaced,
    };
  }

  get shown(): PictureStatus | null {
    const header = this.#presenter.shown?.header;
    if (header === undefined) return null;
    const { width, height, format, frame, step, episode, reward } = header;
    const { overlayWidth, overlayHeight } = header;
    return { width, height, format, frame, step, episode, reward, overlayWidth, overlayHeight };
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
    this.#presenter.restart();
    this.#skippedByServer = 0;
    this.latency.reset();
    this.#begunAtMs = performance.now();
    this.subscription.begin();
  }

  #measure({ header, receivedAtMs }: ReceivedFrame, drawnAtMs: number): void {
    this.drawError = null;
    this.#skippedByServer = header.framesSkipped;
    this.#drawn.add(drawnAtMs);
    const receivedServerMs = this.#clock.serverMsAt(receivedAtMs);
    const begunServerMs = this.#clock.serverMsAt(this.#begunAtMs);
    const steppedAtMs = Number(header.tMonoNs) / 1e6;
    // A frame from before this subscription is old because nobody had asked for it.
    if (receivedServerMs === null || steppedAtMs < begunServerMs!) return;
    this.latency.addFrame({
      steppedAtMs,
      wokenAtMs: Number(header.tWokenNs) / 1e6,
      sentAtMs: Number(header.tSentNs) / 1e6,
      receivedAtMs: receivedServerMs,
      drawnAtMs: receivedServerMs + drawnAtMs - receivedAtMs,
    }, drawnAtMs);
    if (this.#displayRequested) return;
    this.#displayRequested = true;
    requestAnimationFrame(() => {
      this.#displayRequested = false;
      const nowMs = performance.now();
      this.latency.addDisplayWait(nowMs - drawnAtMs, nowMs);
    });
  }
}
