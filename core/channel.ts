/**
 * Everybody who watches one run id, across the run's starts and ends. Attached to the run's segment while it lives;
 * frames are read once and go to all who can take one now.
 */

import { ReadMode, RunFlag } from "../ffi/reader.ts";
import type { CommandName, StreamState } from "../proto/wire.ts";
import { type Attachment, RingCommand } from "./attachment.ts";
import { type FrameBuffer, FramePool } from "./frame_pool.ts";
import type { RunMetrics } from "./metrics.ts";
import type { PacerSettings } from "./pacer.ts";
import type { Run } from "./run.ts";
import type { Subscription } from "./subscription.ts";

const MHZ_PER_HZ = 1000;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;

export interface ChannelContext {
  clockNs: () => bigint;
  metrics: RunMetrics;
  attach: (run: Run) => Attachment;
  /** The ring could not be read: that run ends, and only that. */
  onFault: (error: unknown) => void;
}

/** A command that cannot be carried out; its message is for the viewer. */
export class CommandError extends Error {
  override name = "CommandError";
}

export class Channel {
  readonly runId: string;
  readonly #context: ChannelContext;
  readonly #subscriptions: Subscription[] = [];
  readonly #pool = new FramePool();
  #run: Run | null = null;
  #attachment: Attachment | null = null;
  #control: Subscription | null = null;
  #paused = false;
  #hudVersion = 1;
  /** Newest frame known to be in the ring. */
  #headFrame = 0;
  readonly #hudSeen = new Uint8Array(56);
  #capTimer: ReturnType<typeof setTimeout> | undefined;
  /** The newest frame of the pass that is running. */
  #fresh: FrameBuffer | null = null;
  #freshGiven = false;

  constructor(runId: string, context: ChannelContext) {
    this.runId = runId;
    this.#context = context;
  }

  get viewersCount(): number {
    return this.#subscriptions.length;
  }

  get streamId(): number | null {
    return this.#attachment?.streamId ?? null;
  }

  /** Nobody watches, and nothing must be kept: a paused run stays attached so that it stays paused. */
  get idle(): boolean {
    return this.#subscriptions.length === 0 && !(this.#paused && this.#attachment !== null);
  }

  /** Follows the run: attaches to a live one, lets go of an ended one. `null`: no such run yet. */
  follow(run: Run | null): void {
    this.#run = run;
    const reader = run?.reader ?? null;
    if (this.#attachment?.reader === reader) {
      this.#sendStates();
      return;
    }
    this.detach();
    if (reader !== null) {
      this.#attachment = this.#context.attach(run!);
      for (const subscription of this.#subscriptions) subscription.pacer.restart();
      this.#updateRateMax();
    }
    this.#sendStates();
    this.pump(0n);
  }

  /** Lets go of the segment; before its reader is closed. */
  detach(): void {
    clearTimeout(this.#capTimer);
    this.#attachment?.[Symbol.dispose]();
    this.#attachment = null;
    this.#paused = false;
    this.#headFrame = 0;
    this.#hudVersion++;
  }

  add(subscription: Subscription): void {
    this.#subscriptions.push(subscription);
    subscription.onReady = () => this.pump(0n);
    this.#updateRateMax();
    this.#sendStates();
    this.pump(0n);
  }

  configure(subscription: Subscription, settings: PacerSettings): void {
    subscription.pacer.settings = settings;
    this.#updateRateMax();
    this.pump(0n);
  }

  remove(subscription: Subscription): void {
    const index = this.#subscriptions.indexOf(subscription);
    if (index < 0) return;
    this.#subscriptions.splice(index, 1);
    subscription.close();
    if (this.#control === subscription) this.#setControl(null);
    this.#updateRateMax();
    this.#arm(Number(this.#context.clockNs()));
  }

  onFrameEvent(headFrame: number, wokenNs: bigint): void {
    this.#attachment?.onFrameEvent();
    this.#headFrame = Math.max(this.#headFrame, headFrame);
    this.#context.metrics.hubWakes.inc();
    this.pump(wokenNs);
  }

  acked(subscription: Subscription, frame: number): void {
    const { pacer } = subscription;
    const { metrics } = this.#context;
    const wasFull = pacer.full;
    const sentNs = pacer.acked(frame);
    metrics.acks.inc();
    if (sentNs === null) return;
    metrics.sendToAck.observe((Number(this.#context.clockNs()) - sentNs) / NS_PER_S);
    if (wasFull) this.pump(0n);
  }

  /**
   * Sends every viewer that can take one its next frame, and arms the hub for the frame after. `wokenNs` is when the
   * hub saw the frame; 0 when it was no hub event that led here.
   */
  pump(wokenNs: bigint): void {
    const attachment = this.#attachment;
    if (attachment === null) return;
    try {
      const nowNs = this.#context.clockNs();
      let served = false;
      for (const subscription of this.#subscriptions) {
        const due = subscription.open && Number(nowNs) >= subscription.pacer.dueNs;
        if (due && this.#serve(attachment, subscription, nowNs, wokenNs)) served = true;
      }
      this.#dropFresh();
      if (served && this.#readHud(attachment)) this.#sendHud();
      this.#arm(Number(nowNs));
    } catch (error) {
      this.#dropFresh();
      this.#context.onFault(error);
    }
  }

  #serve(
    attachment: Attachment,
    subscription: Subscription,
    nowNs: bigint,
    wokenNs: bigint,
  ): boolean {
    const buffer = this.#frameFor(attachment, subscription);
    if (buffer === null) return false;
    const { metrics } = this.#context;
    const skippedBefore = subscription.pacer.framesSkipped;
    const sentNs = this.#context.clockNs();
    subscription.sendFrame(buffer, this.#pool, sentNs, wokenNs > 0n ? wokenNs : nowNs);
    metrics.framesSent.inc();
    metrics.bytesSent.inc(buffer.messageBytes);
    metrics.framesSkipped.inc(subscription.pacer.framesSkipped - skippedBefore);
    if (wokenNs > 0n) metrics.wakeToSend.observe(Number(sentNs - wokenNs) / NS_PER_S);
    return true;
  }

  /** The subscription's next frame in a buffer of its own; null when there is none yet. */
  #frameFor(attachment: Attachment, subscription: Subscription): FrameBuffer | null {
    const { pacer } = subscription;
    const inOrder = !pacer.settings.stayLive && pacer.lastFrame > 0;
    if (inOrder) {
      const next = attachment.read(pacer.afterFrame, ReadMode.Next, this.#pool);
      if (next === "none") return null;
      if (next !== "stale") {
        this.#context.metrics.framesRead.inc();
        return next;
      }
    }
    return this.#newestFor(attachment, pacer.afterFrame);
  }

  /** The newest frame: read once a pass, handed to the first who takes it, copied for the others. */
  #newestFor(attachment: Attachment, afterFrame: number): FrameBuffer | null {
    if (this.#fresh === null) {
      const read = attachment.read(afterFrame, ReadMode.Newest, this.#pool);
      if (typeof read === "string") return null;
      this.#context.metrics.framesRead.inc();
      this.#fresh = read;
      this.#headFrame = Math.max(this.#headFrame, read.frame);
    }
    const fresh = this.#fresh;
    if (fresh.frame <= afterFrame) return null;
    if (!this.#freshGiven) {
      this.#freshGiven = true;
      return fresh;
    }
    const copy = this.#pool.take(fresh.messageBytes);
    copy.bytes.set(fresh.message);
    copy.messageBytes = fresh.messageBytes;
    return copy;
  }

  #dropFresh(): void {
    if (this.#fresh !== null && !this.#freshGiven) this.#pool.give(this.#fresh);
    this.#fresh = null;
    this.#freshGiven = false;
  }

  /** Asks the hub for the next frame that anybody can take; a run that nobody can take from costs no system call. */
  #arm(nowNs: number): void {
    const attachment = this.#attachment;
    if (attachment === null) return;
    clearTimeout(this.#capTimer);
    const waiting = { afterFrame: Infinity, dueNs: Infinity };
    const capped = { afterFrame: Infinity, dueNs: Infinity };
    for (const { open, pacer } of this.#subscriptions) {
      if (!open) continue;
      const group = pacer.afterFrame < this.#headFrame && pacer.dueNs > nowNs ? capped : waiting;
      group.afterFrame = Math.min(group.afterFrame, pacer.afterFrame);
      group.dueNs = Math.min(group.dueNs, pacer.dueNs);
    }
    if (waiting.afterFrame === Infinity && capped.afterFrame === Infinity) {
      attachment.disarm();
    } else if (waiting.afterFrame === Infinity) {
      attachment.arm(capped.afterFrame, capped.dueNs);
    } else {
      attachment.arm(waiting.afterFrame, Math.max(waiting.dueNs, 0));
      // Viewers with different caps: the hub waits for a frame, so the one whose frame is there already needs a timer.
      if (capped.dueNs < Infinity) {
        const delayMs = Math.ceil((capped.dueNs - nowNs) / NS_PER_MS);
        this.#capTimer = setTimeout(() => this.pump(0n), delayMs);
      }
    }
  }

  /** About ten times a second: numbers that moved without a frame. */
  onHudTick(): void {
    const attachment = this.#attachment;
    if (attachment === null || this.#subscriptions.length === 0) return;
    try {
      if (this.#readHud(attachment)) this.#sendHud();
    } catch (error) {
      this.#context.onFault(error);
    }
  }

  /** Reads the HUD block; true when there is one. */
  #readHud(attachment: Attachment): boolean {
    const { reader } = attachment;
    if (!reader.readHud()) return false;
    if (reader.hud.some((byte, index) => byte !== this.#hudSeen[index])) {
      this.#hudSeen.set(reader.hud);
      this.#hudVersion++;
    }
    return true;
  }

  #sendHud(): void {
    for (const subscription of this.#subscriptions) {
      subscription.sendHud(this.#hudSeen, this.#hudVersion);
    }
  }

  /** Once a second: what the run's status says, and the advisory words of the ring. */
  onSecond(): void {
    const attachment = this.#attachment;
    if (attachment !== null && this.#subscriptions.length > 0) {
      const { pacer } = this.#subscriptions[0]!;
      attachment.controller?.setSampled(pacer.lastFrame, pacer.framesSkipped);
    }
    this.#sendStates();
  }

  /** Events of the viewer that has control; others' are passed over, since control may just have changed. */
  input(subscription: Subscription, events: Uint8Array<ArrayBuffer>): void {
    if (this.#control === subscription) this.#attachment?.sendInputs(events);
  }

  /** Carries a command out. Throws {@link CommandError} when it cannot be. */
  command(
    subscription: Subscription,
    command: { command: CommandName; code?: number; value?: number },
  ): void {
    if (command.command === "release-control") {
      if (this.#control === subscription) this.#setControl(null);
      return;
    }
    const attachment = this.#attachment;
    if (attachment === null) throw new CommandError(`"${this.runId}" is not running`);
    if (attachment.controller === null) {
      throw new CommandError(`another program controls "${this.runId}"`);
    }
    switch (command.command) {
      case "pause":
        return this.#setPaused(attachment, true);
      case "resume":
        return this.#setPaused(attachment, false);
      case "step":
        return attachment.sendCommand(RingCommand.Step);
      case "take-control":
        return this.#setControl(subscription);
      case "worker":
        return attachment.sendCommand(command.code!, command.value ?? 0);
    }
  }

  #setPaused(attachment: Attachment, paused: boolean): void {
    attachment.controller!.setPause(paused);
    attachment.sendCommand(paused ? RingCommand.Pause : RingCommand.Resume);
    this.#paused = paused;
    this.#sendStates();
  }

  #setControl(subscription: Subscription | null): void {
    if (this.#control === subscription) return;
    if (this.#control !== null) this.#attachment?.sendReleaseAll();
    this.#control = subscription;
    this.#sendStates();
  }

  /** The producer may slow down to what the fastest viewer takes, when every one has a cap. */
  #updateRateMax(): void {
    let rateMaxHz = 0;
    for (const { pacer: { settings } } of this.#subscriptions) {
      if (settings.fpsMax === 0) {
        rateMaxHz = 0;
        break;
      }
      rateMaxHz = Math.max(rateMaxHz, settings.fpsMax * settings.everyNth);
    }
    this.#attachment?.controller?.setRateMax(Math.round(rateMaxHz * MHZ_PER_HZ));
  }

  #sendStates(): void {
    for (const subscription of this.#subscriptions) {
      subscription.sendState(this.#stateFor(subscription));
    }
  }

  #stateFor(subscription: Subscription): StreamState {
    const run = this.#run;
    const attachment = this.#attachment;
    const flags = run?.reader?.status.flags ?? 0;
    const controllable = attachment !== null && attachment.controller !== null;
    return {
      run: this.runId,
      phase: run === null
        ? "waiting"
        : run.failed
        ? "error"
        : attachment === null
        ? "ended"
        : "live",
      ...(run?.reason === undefined ? {} : { message: run.reason }),
      paused: controllable ? this.#paused : (flags & RunFlag.Paused) !== 0,
      control: this.#control === null ? "none" : this.#control === subscription ? "you" : "other",
      controllable,
      epoch: run === null ? "" : String(run.epochNs),
    };
  }
}
