/**
 * Decides which frame is drawn when, and draws it.
 *
 * At once (latency 0, the default): the newest wins. A frame that finds the worker idle is drawn at once. One that comes
 * right behind a draw may have a newer one behind it: it waits for the end of the tasks that are already due, and is
 * replaced when a newer one is among them; so at most one frame ever waits. Not live: every frame, in order, as it
 * comes; the server keeps few on their way.
 *
 * With a latency: each frame is drawn when it is so old, by the server's clock, so that motion is as even as it was in
 * the run. One timer wakes for the first of those that wait.
 *
 * Either way no picture is handed to a graphics device that still works at the one before: a slow device would get a
 * queue of pictures, each older than the one before. What is due waits for it as it waits for a worker that is busy.
 */

import type { FrameHeader } from "../proto/wire.ts";
import type { DecodedFrame } from "./decoded_frame.ts";
import type { OverlaySettings, Renderer } from "./renderer.ts";

/** A frame that comes sooner after a draw than this was already there while it went on. */
const BEHIND_MS = 1;
/**
 * A worker that is busy drawing lets the decoder give out one picture after each draw, and would draw them all, each
 * later than the one before. So a frame that comes right behind a draw waits for those that are in the decoder; no
 * longer than this, since a decoder may keep one.
 */
const HOLD_MS_MAX = 20;
/**
 * Frames that wait for their time, at most: a decoder may have no more pictures to lend. Beyond that the first is drawn
 * before its time, so that a long latency becomes one that fits, and counted.
 */
const WAITING_MAX = 24;
/** How often a busy device is asked again: nothing tells that it is done. */
const DEVICE_POLL_MS = 2;
/** Longer no picture waits for it: one that does not answer must not stop the pictures. */
const DEVICE_MS_MAX = 250;

export interface PresenterOptions {
  /** The page's clock, ms. */
  nowMs(): number;
  /** Calls `run` after so long, once; returns what calls it off. */
  wakeAfter(delayMs: number, run: () => void): () => void;
  /** The page's clock when the server's CLOCK_MONOTONIC shows `serverMs`; null while that is not known. */
  pageMsAt(serverMs: number): number | null;
  /** Whether newer frames are being decoded. */
  moreComing(): boolean;
  /** A new frame was drawn. */
  onDrawn(frame: DecodedFrame, drawnAtMs: number): void;
  /**
   * The server may send the next: nothing more will become of this frame or an older one, or it waits for its time,
   * which must not keep the server waiting.
   */
  onDone(frame: number): void;
  /** A frame that cannot be drawn; the next one may. */
  onError(message: string): void;
}

interface WaitingFrame {
  frame: DecodedFrame;
  /** When it is to be drawn; -Infinity = as soon as the worker is idle. */
  dueAtMs: number;
  /** The server was told not to wait for it. */
  isDone: boolean;
}

export class Presenter {
  readonly #options: PresenterOptions;
  readonly #turn = new MessageChannel();
  readonly #renderer: Renderer;
  /** In the order in which they came, which is that of their times. */
  #waiting: WaitingFrame[] = [];
  #callOff: (() => void) | null = null;
  #shown: DecodedFrame | null = null;
  #drawEndedAtMs = -Infinity;
  overlay: OverlaySettings = { visible: true, opacity: 0.5 };
  stayLive = true;
  #latencyMs = 0;
  /** A turn was asked for: what waits is drawn when the tasks that are due now have run. */
  #turnIsDue = false;
  /** What is due waits for newer frames until then; -Infinity = it does not. */
  #holdUntilMs = -Infinity;
  framesShown = 0;
  /** Frames that were replaced before they were drawn. */
  framesReplaced = 0;
  /** Frames drawn before their time, since too many waited. */
  framesHurried = 0;

  constructor(renderer: Renderer, options: PresenterOptions) {
    this.#renderer = renderer;
    this.#options = options;
    this.#turn.port1.onmessage = () => {
      this.#turnIsDue = false;
      this.#drawDue();
    };
  }

  /** Frames that waited by the old latency are due at once. */
  set latencyMs(latencyMs: number) {
    if (latencyMs === this.#latencyMs) return;
    this.#latencyMs = latencyMs;
    for (const waiting of this.#waiting) waiting.dueAtMs = -Infinity;
    this.#drawDue();
  }

  /** Takes a role in the frame's lease, until it is drawn or replaced. */
  present(frame: DecodedFrame): void {
    frame.lease.take("presenter");
    const dueAtMs = this.#dueAtMs(frame.header);
    const mustWait = dueAtMs > this.#options.nowMs();
    if (this.stayLive && !mustWait) this.#takeDue().forEach((waiting) => this.#replace(waiting));
    this.#enqueue({ frame, dueAtMs, isDone: mustWait });
    if (mustWait) return this.#waitForFirst(frame.header.frame);
    const nowMs = this.#options.nowMs();
    const behind = nowMs - this.#drawEndedAtMs < BEHIND_MS;
    const isHeld = this.#holdUntilMs !== -Infinity;
    if (!this.stayLive || !(behind || isHeld || this.#turnIsDue)) return this.#drawDue();
    if (this.#options.moreComing()) {
      if (!isHeld) this.#holdUntilMs = nowMs + HOLD_MS_MAX;
      return this.#wake();
    }
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    this.#turn.port2.postMessage(null);
  }

  /** The frame on the screen. */
  get shown(): DecodedFrame | null {
    return this.#shown;
  }

  get framesWaiting(): number {
    return this.#waiting.length;
  }

  /** Draws the shown frame again: a setting changed, or the graphics context is back. */
  redraw(overlay: OverlaySettings = this.overlay): void {
    if (this.#shown !== null && !this.#renderer.contextLost) this.#draw(this.#shown, overlay);
  }

  /** Pixels of the shown frame as the renderer draws it, with or without its overlay. */
  readShown(withOverlay: boolean): { rgba: Uint8Array<ArrayBuffer>; header: FrameHeader } | null {
    if (this.#shown === null) return null;
    this.redraw({ ...this.overlay, visible: withOverlay && this.overlay.visible });
    const rgba = this.#renderer.readPixels();
    this.redraw();
    return rgba === null ? null : { rgba, header: this.#shown.header };
  }

  /** Starts counting anew: another subscription. The last picture stays on the screen. */
  restart(): void {
    for (const { frame } of this.#waiting.splice(0)) frame.lease.release("presenter");
    this.#holdUntilMs = -Infinity;
    this.#wake();
    this.framesShown = this.framesReplaced = this.framesHurried = 0;
  }

  /** No frame comes any more. */
  close(): void {
    this.restart();
    this.#shown?.lease.release("cache");
    this.#shown = null;
    this.#turn.port1.close();
  }

  #dueAtMs({ tMonoNs }: FrameHeader): number {
    if (this.#latencyMs === 0) return -Infinity;
    const dueAtMs = this.#options.pageMsAt(Number(tMonoNs) / 1e6 + this.#latencyMs) ?? -Infinity;
    // A stamp that is ahead of the clock is of another clock.
    return Math.min(dueAtMs, this.#options.nowMs() + this.#latencyMs);
  }

  #waitForFirst(frameDone: number): void {
    this.#options.onDone(frameDone);
    if (this.#waiting.length > WAITING_MAX) {
      this.framesHurried++;
      this.#show(this.#waiting.shift()!);
    }
    this.#wake();
  }

  /** The clock's offset may have been corrected, or be another producer's: no frame is due after one that came later. */
  #enqueue(entry: WaitingFrame): void {
    for (const waiting of this.#waiting) {
      waiting.dueAtMs = Math.min(waiting.dueAtMs, entry.dueAtMs);
    }
    this.#waiting.push(entry);
  }

  /** Sets the one timer to when something is to be drawn; none while no frame waits. */
  #wake(): void {
    this.#callOff?.();
    this.#callOff = null;
    const first = this.#waiting[0];
    if (first === undefined || this.#turnIsDue) return;
    const drawAtMs = Math.max(first.dueAtMs, this.#holdUntilMs);
    const delayMs = Math.max(0, drawAtMs - this.#options.nowMs());
    this.#callOff = this.#options.wakeAfter(delayMs, () => this.#drawDue());
  }

  #takeDue(): WaitingFrame[] {
    const nowMs = this.#options.nowMs();
    const later = this.#waiting.findIndex(({ dueAtMs }) => dueAtMs > nowMs);
    return this.#waiting.splice(0, later < 0 ? this.#waiting.length : later);
  }

  /** Draws what is due: the newest of it, or all of it where every frame counts. */
  #drawDue(): void {
    this.#holdUntilMs = -Infinity;
    if (this.#deviceIsBusy()) {
      this.#holdUntilMs = this.#options.nowMs() + DEVICE_POLL_MS;
      return this.#wake();
    }
    const due = this.#takeDue();
    due.forEach((waiting, index) => {
      if (this.stayLive && index < due.length - 1) this.#replace(waiting);
      else this.#show(waiting);
    });
    this.#wake();
  }

  /** Where every frame counts, those that wait for the device are bounded too. */
  #deviceIsBusy(): boolean {
    return this.#waiting.length > 0 && this.#waiting.length <= WAITING_MAX &&
      this.#options.nowMs() - this.#drawEndedAtMs < DEVICE_MS_MAX && this.#renderer.isBusy;
  }

  #replace({ frame }: WaitingFrame): void {
    this.framesReplaced++;
    frame.lease.release("presenter");
  }

  #show({ frame, isDone }: WaitingFrame): void {
    if (this.#renderer.contextLost) {
      // Drawn when the context is back, unless a newer one has come by then.
      this.#keep(frame);
    } else if (this.#draw(frame, this.overlay)) {
      this.framesShown++;
      this.#keep(frame);
      this.#options.onDrawn(frame, this.#options.nowMs());
    }
    frame.lease.release("presenter");
    this.#drawEndedAtMs = this.#options.nowMs();
    if (!isDone) this.#options.onDone(frame.header.frame);
  }

  #keep(frame: DecodedFrame): void {
    this.#shown?.lease.release("cache");
    frame.lease.take("cache");
    this.#shown = frame;
  }

  #draw(frame: DecodedFrame, overlay: OverlaySettings): boolean {
    try {
      this.#renderer.draw(frame, overlay);
      return true;
    } catch (error) {
      this.#options.onError((error as Error).message);
      return false;
    }
  }
}
