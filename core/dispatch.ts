/** Frames of one attached ring as they are, on their way to all who watch it on the raw lane. */

import type { Attachment } from "./attachment.ts";
import { FrameSource } from "./frame_source.ts";
import type { RunMetrics } from "./metrics.ts";
import type { Subscription } from "./subscription.ts";
import { planWait, type Waiter } from "./wait_plan.ts";

const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
/** A longer time would make the runtime's timer fire at once; one that fires early waits anew. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** Stands for "no event of the hub led here". */
export const NOT_WOKEN_NS = 0n;

/** Stop it before the attachment is disposed. Everything may throw what the ring's reader throws. */
export class Dispatch {
  readonly #attachment: Attachment;
  readonly #subscriptions: readonly Subscription[];
  readonly #metrics: RunMetrics;
  readonly #clockNs: () => bigint;
  readonly #onTimer: () => void;
  readonly #onShape: (width: number, height: number, format: number) => void;
  readonly #frames: FrameSource;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `subscriptions` is the channel's own list; `onTimer` is called when it is time to {@link pump}; `onShape` is told
   * what a frame is before it is sent, and may change lanes.
   */
  constructor(options: {
    attachment: Attachment;
    subscriptions: readonly Subscription[];
    metrics: RunMetrics;
    clockNs: () => bigint;
    onTimer: () => void;
    onShape: (width: number, height: number, format: number) => void;
  }) {
    this.#attachment = options.attachment;
    this.#subscriptions = options.subscriptions;
    this.#metrics = options.metrics;
    this.#clockNs = options.clockNs;
    this.#onTimer = options.onTimer;
    this.#onShape = options.onShape;
    this.#frames = new FrameSource(() => this.#metrics.framesRead.inc());
  }

  /** The hub saw a frame. Returns whether anybody was sent one. */
  onFrameEvent(headFrame: number, wokenNs: bigint): boolean {
    this.#attachment.onFrameEvent();
    this.#frames.sawHead(headFrame);
    this.#metrics.hubWakes.inc();
    return this.pump(wokenNs);
  }

  /** A viewer has drawn a frame. Returns whether it may be sent another now and could not before. */
  acked(subscription: Subscription, frame: number): boolean {
    const { pacer } = subscription;
    const wasFull = pacer.full;
    const sentNs = pacer.acked(frame);
    this.#metrics.acks.inc();
    if (sentNs === null) return false;
    const nowNs = Number(this.#clockNs());
    subscription.meter.acked(nowNs - sentNs, nowNs);
    this.#metrics.sendToAck.observe((nowNs - sentNs) / NS_PER_S);
    return wasFull;
  }

  /** Sends every viewer that can take one its next frame, then waits for the frame after. */
  pump(wokenNs: bigint): boolean {
    const nowNs = Number(this.#clockNs());
    let sent = false;
    try {
      for (const subscription of this.#subscriptions) {
        const { raw, open, pacer } = subscription;
        const due = raw && open && pacer.dueNs <= nowNs;
        if (due && this.#sendNext(subscription, wokenNs)) sent = true;
      }
    } finally {
      this.#frames.endPass();
    }
    this.#wait(nowNs);
    return sent;
  }

  #sendNext(subscription: Subscription, wokenNs: bigint, last = false): boolean {
    const { pacer } = subscription;
    const buffer = last
      ? this.#frames.takeNewest(this.#attachment, pacer.lastFrame)
      : this.#frames.take(this.#attachment, pacer);
    if (buffer === null) return false;
    this.#onShape(buffer.width, buffer.height, buffer.format);
    if (!subscription.raw) {
      this.#frames.putBack(buffer);
      return false;
    }
    const metrics = this.#metrics;
    const skippedBefore = pacer.framesSkipped;
    const nowNs = this.#clockNs();
    const woken = wokenNs !== NOT_WOKEN_NS;
    subscription.sendFrame(buffer, this.#frames.pool, nowNs, woken ? wokenNs : nowNs);
    metrics.framesSent.inc();
    metrics.bytesSent.inc(buffer.messageBytes);
    metrics.framesSkipped.inc(pacer.framesSkipped - skippedBefore);
    if (woken) metrics.wakeToSend.observe(Number(nowNs - wokenNs) / NS_PER_S);
    return true;
  }

  /** A run whose viewers can all take nothing is not waited for: it costs its worker no system call. */
  #wait(nowNs: number): void {
    clearTimeout(this.#timer);
    const plan = planWait(this.#waiters(), this.#frames.headFrame, nowNs);
    if (plan === null) return this.#attachment.disarm();
    this.#attachment.arm(plan.arm.afterFrame, plan.arm.notBeforeNs);
    if (plan.timerNs === null) return;
    const waitMs = Math.ceil((plan.timerNs - nowNs) / NS_PER_MS);
    this.#timer = setTimeout(this.#onTimer, Math.min(waitMs, TIMER_MS_MAX));
  }

  *#waiters(): Generator<Waiter> {
    for (const { raw, open, pacer } of this.#subscriptions) if (raw && open) yield pacer;
  }

  /** The run is over: whoever can take its last frame gets it, due or not, acked or not. */
  finish(): void {
    try {
      for (const subscription of this.#subscriptions) {
        if (subscription.raw && !subscription.busy) {
          this.#sendNext(subscription, NOT_WOKEN_NS, true);
        }
      }
    } finally {
      this.#frames.endPass();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
