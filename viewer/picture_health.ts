/**
 * Looks after one picture: keeps the server in time with the display, notices what goes wrong, starts a pipeline anew
 * that is stuck, and tells the page and, once a second, the server how it goes.
 */

import type { ServerClock } from "./clock.ts";
import type { DecodedFrame, ReceivedFrame } from "./decoded_frame.ts";
import { DisplayLink } from "./display_link.ts";
import { FrameTimes } from "./frame_times.ts";
import { BEAT_MS, LoopMonitor } from "./loop_monitor.ts";
import type { HealthStatus, StreamSettings } from "./messages.ts";
import type { Picture, PictureObserver } from "./picture.ts";
import { PictureSampler } from "./picture_sampler.ts";
import { PictureWatch } from "./picture_watch.ts";
import { RateMeter } from "./rate_meter.ts";
import { type ReportCounts, ReportMeter } from "./report.ts";

/** Without a frame for so long the loop is not watched: a page that waits wakes nobody. Longer than a kick's pause. */
const WATCHED_MS = 5_000;

export interface PictureHealthOptions {
  picture: Picture;
  /** What the picture is drawn on. */
  canvas: OffscreenCanvas;
  clock: ServerClock;
  settings: StreamSettings;
}

export class PictureHealth implements PictureObserver {
  readonly #picture: Picture;
  readonly #canvas: OffscreenCanvas;
  readonly #clock: ServerClock;
  readonly #display: DisplayLink;
  readonly #monitor: LoopMonitor;
  readonly #sampler = new PictureSampler();
  readonly #watch = new PictureWatch();
  readonly #times = new FrameTimes();
  readonly #report: ReportMeter;
  readonly #recentJanks = new RateMeter();
  readonly #recentStalls = new RateMeter();
  #beatTimer: ReturnType<typeof setInterval> | undefined;
  #begunAtMs = 0;
  #receivedAtMs = -Infinity;

  constructor({ picture, canvas, clock, settings }: PictureHealthOptions) {
    this.#picture = picture;
    this.#canvas = canvas;
    this.#clock = clock;
    this.#monitor = new LoopMonitor(() => picture.kick());
    this.#display = new DisplayLink({
      clock,
      nowMs: () => performance.now(),
      requestFrame: (callback) => requestAnimationFrame(callback),
      say: (display) => picture.subscription.sendDisplay(display),
    });
    this.#report = new ReportMeter(this.#counts());
    this.settings = settings;
    picture.observers.push(this);
  }

  /** A picture that is drawn by its age is not drawn by the display's time. */
  set settings({ phaseLock, latencyMs }: StreamSettings) {
    this.#display.phaseLock = phaseLock && latencyMs === 0;
  }

  onBegin(nowMs: number): void {
    this.#begunAtMs = nowMs;
    this.#monitor.rest();
    this.#times.rest();
    this.#watch.reset();
    this.#display.restart();
    this.#report.restart(this.#counts());
  }

  onReceived({ receivedAtMs }: ReceivedFrame): void {
    this.#receivedAtMs = receivedAtMs;
    this.#monitor.received(receivedAtMs);
    this.#beatTimer ??= setInterval(() => this.#beat(performance.now()), BEAT_MS);
  }

  #beat(nowMs: number): void {
    if (nowMs - this.#receivedAtMs > WATCHED_MS) {
      clearInterval(this.#beatTimer);
      this.#beatTimer = undefined;
      return this.#monitor.rest();
    }
    // What cannot be drawn is no fault of the pipeline.
    if (this.#picture.contextLost) return this.#monitor.rest();
    const { stallsCount } = this.#monitor;
    this.#monitor.beat(nowMs);
    if (this.#monitor.stallsCount > stallsCount) this.#recentStalls.add(nowMs);
  }

  onDrawn(frame: DecodedFrame, drawnAtMs: number): void {
    this.#monitor.drawn();
    const { janksCount } = this.#times;
    const frameTimeMs = this.#times.drawn(drawnAtMs);
    if (this.#times.janksCount > janksCount) this.#recentJanks.add(drawnAtMs);
    const { receivedAtMs, decodedAtMs } = frame;
    const moments = this.#serverMoments(frame, drawnAtMs);
    this.#report.addFrame({
      frameTimeMs,
      latencyMs: moments && moments.drawnAtMs - moments.steppedAtMs,
      decodeMs: decodedAtMs && decodedAtMs - receivedAtMs,
    }, drawnAtMs);
    this.#display.drawn(moments, (nowMs) => {
      if (moments === null) return;
      const displayedAtMs = moments.drawnAtMs + nowMs - drawnAtMs;
      this.#picture.latency.addDisplayed(moments, displayedAtMs, nowMs);
    });
    const sample = this.#sampler.take(this.#canvas, frame.header.frame, drawnAtMs);
    if (sample !== null) this.#watch.look(sample);
  }

  /** When a frame was made, sampled and drawn by the server's clock; null for one from before this subscription. */
  #serverMoments({ header }: DecodedFrame, drawnAtMs: number) {
    const drawnServerMs = this.#clock.serverMsAt(drawnAtMs);
    const steppedAtMs = Number(header.tMonoNs) / 1e6;
    if (drawnServerMs === null || steppedAtMs < this.#clock.serverMsAt(this.#begunAtMs)!) {
      return null;
    }
    return {
      steppedAtMs,
      sampledAtMs: Number(header.tWokenNs) / 1e6,
      drawnAtMs: drawnServerMs,
      locked: this.#picture.subscription.state?.lane?.phaseLocked ?? false,
    };
  }

  /** To be called about ten times a second. */
  tick(nowMs: number): void {
    const { subscription } = this.#picture;
    if (subscription.state?.paused) {
      this.#times.rest();
      this.#watch.reset();
    }
    this.#display.tick(nowMs);
    const report = this.#report.take(this.#counts(), nowMs);
    if (report !== null) subscription.sendReport(report);
  }

  get displayPeriodMs(): number | null {
    return this.#display.periodMs;
  }

  status(nowMs: number): HealthStatus {
    return {
      janks: this.#recentJanks.perSecond(nowMs),
      stalls: this.#recentStalls.perSecond(nowMs),
      warning: this.#watch.warning,
      warningForMs: this.#watch.warningForMs,
    };
  }

  #counts(): ReportCounts {
    const { counters, framesDropped, decoderRestarts } = this.#picture;
    return {
      framesShown: counters.shown,
      framesDropped,
      janks: this.#times.janksCount,
      stalls: this.#monitor.stallsCount,
      decoderRestarts,
    };
  }
}
