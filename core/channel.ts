/**
 * Everybody who watches one run id, across the run's starts and ends. Attached to the run's segment while it lives;
 * frames are read once and go to all who can take one now.
 */

import { RunFlag } from "../ffi/reader.ts";
import type { StreamState } from "../proto/wire.ts";
import type { Attachment } from "./attachment.ts";
import { ControlDesk } from "./control_desk.ts";
import { FrameSource } from "./frame_source.ts";
import { HudFeed } from "./hud_feed.ts";
import type { RunMetrics } from "./metrics.ts";
import type { PacerSettings } from "./pacer.ts";
import type { Run } from "./run.ts";
import type { Subscription } from "./subscription.ts";
import { planWait, type Waiter } from "./wait_plan.ts";

const MHZ_PER_HZ = 1000;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
/** Stands for "no event of the hub led here". */
const NOT_WOKEN_NS = 0n;

export interface ChannelContext {
  clockNs: () => bigint;
  metrics: RunMetrics;
  attach: (run: Run) => Attachment;
  /** The ring could not be read: that run ends, and only that. */
  onFault: (error: unknown) => void;
}

export class Channel {
  readonly runId: string;
  readonly desk: ControlDesk;
  readonly #context: ChannelContext;
  readonly #subscriptions: Subscription[] = [];
  readonly #frames: FrameSource;
  readonly #hud = new HudFeed();
  #run: Run | null = null;
  #attachment: Attachment | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(runId: string, context: ChannelContext) {
    this.runId = runId;
    this.#context = context;
    this.#frames = new FrameSource(() => context.metrics.framesRead.inc());
    this.desk = new ControlDesk(runId, () => this.#sendStates());
  }

  get viewersCount(): number {
    return this.#subscriptions.length;
  }

  /** Nobody watches, and nothing must be kept: a paused run stays attached so that it stays paused. */
  get idle(): boolean {
    return this.#subscriptions.length === 0 && !this.desk.paused;
  }

  /** Follows the run: attaches to a live one, lets go of an ended one. `null`: no such run yet. */
  follow(run: Run | null): void {
    this.#run = run;
    const reader = run?.reader ?? null;
    if (this.#attachment?.reader !== reader) {
      this.detach();
      if (reader !== null) this.#attach(run!);
    }
    this.#sendStates();
    this.#pump(NOT_WOKEN_NS);
  }

  #attach(run: Run): void {
    this.#attachment = this.#context.attach(run);
    this.desk.follow(this.#attachment);
    this.#updateRateMax();
    for (const { pacer } of this.#subscriptions) pacer.restart();
  }

  /** Lets go of the segment; before its reader is closed. */
  detach(): void {
    clearTimeout(this.#timer);
    this.desk.follow(null);
    this.#attachment?.[Symbol.dispose]();
    this.#attachment = null;
    this.#frames.restart();
    this.#hud.restart();
  }

  add(subscription: Subscription): void {
    this.#subscriptions.push(subscription);
    subscription.onReady = () => this.#pump(NOT_WOKEN_NS);
    this.#updateRateMax();
    subscription.sendState(this.#stateFor(subscription));
    this.#pump(NOT_WOKEN_NS);
  }

  configure(subscription: Subscription, settings: PacerSettings): void {
    subscription.pacer.settings = settings;
    this.#updateRateMax();
    this.#pump(NOT_WOKEN_NS);
  }

  remove(subscription: Subscription): void {
    const index = this.#subscriptions.indexOf(subscription);
    if (index < 0) return;
    this.#subscriptions.splice(index, 1);
    subscription.close();
    this.desk.leave(subscription);
    this.#updateRateMax();
    this.#wait(Number(this.#context.clockNs()));
  }

  onFrameEvent(headFrame: number, wokenNs: bigint): void {
    this.#attachment?.onFrameEvent();
    this.#frames.sawHead(headFrame);
    this.#context.metrics.hubWakes.inc();
    this.#pump(wokenNs);
  }

  acked(subscription: Subscription, frame: number): void {
    const { pacer } = subscription;
    const { metrics } = this.#context;
    const wasFull = pacer.full;
    const sentNs = pacer.acked(frame);
    metrics.acks.inc();
    if (sentNs === null) return;
    metrics.sendToAck.observe((Number(this.#context.clockNs()) - sentNs) / NS_PER_S);
    if (wasFull) this.#pump(NOT_WOKEN_NS);
  }

  /** Sends every viewer that can take one its next frame, then waits for the frame after. */
  #pump(wokenNs: bigint): void {
    const attachment = this.#attachment;
    if (attachment === null) return;
    try {
      const nowNs = this.#context.clockNs();
      let sent = false;
      for (const subscription of this.#subscriptions) {
        const due = subscription.open && subscription.pacer.dueNs <= Number(nowNs);
        if (due && this.#sendNext(attachment, subscription, wokenNs)) sent = true;
      }
      if (sent) this.#hud.send(attachment.reader, this.#subscriptions);
      this.#wait(Number(nowNs));
    } catch (error) {
      this.#context.onFault(error);
    } finally {
      this.#frames.endPass();
    }
  }

  #sendNext(attachment: Attachment, subscription: Subscription, wokenNs: bigint): boolean {
    const { pacer } = subscription;
    const buffer = this.#frames.take(attachment, pacer);
    if (buffer === null) return false;
    const { metrics } = this.#context;
    const nowNs = this.#context.clockNs();
    const skippedBefore = pacer.framesSkipped;
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
    const attachment = this.#attachment;
    if (attachment === null) return;
    clearTimeout(this.#timer);
    const plan = planWait(this.#waiters(), this.#frames.headFrame, nowNs);
    if (plan === null) return attachment.disarm();
    attachment.arm(plan.arm.afterFrame, plan.arm.notBeforeNs);
    if (plan.timerNs === null) return;
    const delayMs = Math.ceil((plan.timerNs - nowNs) / NS_PER_MS);
    this.#timer = setTimeout(() => this.#pump(NOT_WOKEN_NS), delayMs);
  }

  *#waiters(): Generator<Waiter> {
    for (const { open, pacer } of this.#subscriptions) if (open) yield pacer;
  }

  /** About ten times a second: numbers that moved without a frame. */
  onHudTick(): void {
    const attachment = this.#attachment;
    if (attachment === null) return;
    try {
      this.#hud.send(attachment.reader, this.#subscriptions);
    } catch (error) {
      this.#context.onFault(error);
    }
  }

  /** Once a second: what the run's status says, and the advisory words of the ring. */
  onSecond(): void {
    const first = this.#subscriptions[0]?.pacer;
    if (first !== undefined) {
      this.#attachment?.controller?.setSampled(first.lastFrame, first.framesSkipped);
    }
    this.#sendStates();
  }

  /** The producer may slow down to what the fastest viewer takes, when every one has a cap. */
  #updateRateMax(): void {
    const ratesHz = this.#subscriptions.map(({ pacer: { settings } }) =>
      settings.fpsMax === 0 ? Infinity : settings.fpsMax * settings.everyNth
    );
    const rateMaxHz = Math.max(0, ...ratesHz);
    const rateMaxMhz = rateMaxHz === Infinity ? 0 : Math.round(rateMaxHz * MHZ_PER_HZ);
    this.#attachment?.controller?.setRateMax(rateMaxMhz);
  }

  #sendStates(): void {
    for (const subscription of this.#subscriptions) {
      subscription.sendState(this.#stateFor(subscription));
    }
  }

  #stateFor(subscription: Subscription): StreamState {
    const run = this.#run;
    const { controllable } = this.desk;
    const flags = run?.reader?.status.flags ?? 0;
    return {
      run: this.runId,
      phase: this.#phase(),
      ...(run?.reason === undefined ? {} : { message: run.reason }),
      paused: controllable ? this.desk.paused : (flags & RunFlag.Paused) !== 0,
      control: this.desk.ownerFor(subscription),
      controllable,
      epoch: run === null ? "" : String(run.epochNs),
    };
  }

  #phase(): StreamState["phase"] {
    if (this.#run === null) return "waiting";
    if (this.#run.failed) return "error";
    return this.#attachment === null ? "ended" : "live";
  }
}
