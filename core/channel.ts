/** Everybody who watches one run id, across the run's starts and ends. Attached to the run's segment while it lives. */

import { getLogger } from "@logtape/logtape";
import { TelebridgeError } from "../ffi/errors.ts";
import { RunFlag } from "../ffi/reader.ts";
import type { Display, StreamState, ViewerReport } from "../proto/wire.ts";
import type { Attachment } from "./attachment.ts";
import { type CommandDone, CommandError, ControlDesk, type ViewerCommand } from "./control_desk.ts";
import { Ending } from "./ending.ts";
import { HudFeed } from "./hud_feed.ts";
import type { VideoOptions } from "./lane_desk.ts";
import { Live } from "./live.ts";
import type { RunMetrics } from "./metrics.ts";
import { areOfOneWorker } from "./picture_route.ts";
import type { Run } from "./run.ts";
import type { Subscription, SubscriptionSettings } from "./subscription.ts";
import type { VideoSettings, VideoStatus } from "../ffi/stream.ts";
import type { StreamHold } from "./video_stream.ts";

const NS_PER_MS = 1e6;

const logger = getLogger(["telebridge", "channels"]);

export interface ChannelContext {
  clockNs: () => bigint;
  /** The run's counters; asked for when a segment is attached. */
  metrics: () => RunMetrics;
  attach: (run: Run) => Attachment;
  video: VideoOptions;
  /** Starts a stream's thread on a reader of its own; null: the segment is not there any more. */
  openStream: (attachment: Attachment, settings: VideoSettings) => StreamHold | null;
  /** The ring could not be used: that run ends, and only that. */
  onFault: (error: TelebridgeError) => void;
}

export class Channel {
  readonly runId: string;
  readonly #context: ChannelContext;
  readonly #desk: ControlDesk;
  readonly #subscriptions: Subscription[] = [];
  readonly #hud = new HudFeed();
  #run: Run | null = null;
  #live: Live | null = null;
  readonly #ending = new Ending();

  constructor(runId: string, context: ChannelContext) {
    this.runId = runId;
    this.#context = context;
    const nowMs = () => Number(context.clockNs()) / NS_PER_MS;
    this.#desk = new ControlDesk(runId, nowMs, () => this.#onControl());
  }

  get viewersCount(): number {
    return this.#subscriptions.length;
  }

  /** The one that is attached, or that could not be. */
  get segment(): string {
    return this.#live?.attachment.reader.runId ?? this.#run?.segment ?? this.runId;
  }

  /** What the run's stream does; null without one. */
  get streamStatus(): VideoStatus | null {
    return this.#live?.streamStatus ?? null;
  }

  /**
   * Nobody watches, and nothing must be kept: a paused run stays attached so that it stays paused, and a stream for as
   * long as its lanes keep it.
   */
  get idle(): boolean {
    const kept = this.#desk.holdsPause || (this.#live?.streams ?? false);
    return this.#subscriptions.length === 0 && !kept;
  }

  /** Follows the run: attaches to a live one, lets go of an ended one. `null`: no such run yet. */
  follow(run: Run | null): void {
    this.#run = run;
    const reader = run?.reader ?? null;
    const before = this.#live?.attachment.reader ?? null;
    if (before !== reader) {
      const sameWorker = before !== null && reader !== null && areOfOneWorker(before, reader);
      this.#letGo(run !== null && !run.failed, sameWorker);
      if (reader !== null) this.#guard(() => this.#attach(run!, sameWorker));
    }
    this.#sendStates();
    this.#pump();
  }

  #attach(run: Run, sameWorker: boolean): void {
    this.#ending[Symbol.dispose]();
    for (const { pacer } of this.#subscriptions) pacer.restart();
    using undo = new DisposableStack();
    const attachment = undo.use(this.#context.attach(run));
    this.#live = new Live({
      ...this.#context,
      attachment,
      subscriptions: this.#subscriptions,
      metrics: this.#context.metrics(),
      owner: () => this.#desk.owner,
      onLanes: () => this.#sendStates(),
      onTimer: () => this.#pump(),
    });
    undo.move();
    this.#desk.follow(attachment, sameWorker);
  }

  /** Lets go of the segment at once. */
  detach(): void {
    this.#letGo(false);
    this.#ending[Symbol.dispose]();
  }

  /** Lets go of the segment; `whole`: its last frame is sent before; `sameWorker`: see {@link ControlDesk.follow}. */
  #letGo(whole: boolean, sameWorker = false): void {
    let moreMayCome = false;
    if (whole) this.#withLive((live) => moreMayCome = live.finish());
    const live = this.#live;
    this.#live = null;
    this.#desk.follow(null, sameWorker);
    this.#hud.restart();
    if (live !== null && moreMayCome) this.#ending.keep(live);
    else live?.[Symbol.dispose]();
  }

  /** The stream says that its run is over; all that it had is queued by now. */
  onStreamEnd(): void {
    this.#guard(() => this.#ending.onPackets());
    this.#ending[Symbol.dispose]();
  }

  /** The viewer is listed before the run is followed: a channel that fails to attach is not idle, and stays. */
  add(subscription: Subscription, run: Run | null): void {
    this.#subscriptions.push(subscription);
    subscription.onReady = () => this.#pump();
    this.#withLive((live) => live.onSettings());
    this.follow(run);
  }

  configure(subscription: Subscription, settings: SubscriptionSettings): void {
    subscription.configure(settings);
    this.#onSettings();
  }

  remove(subscription: Subscription): void {
    const index = this.#subscriptions.indexOf(subscription);
    if (index < 0) return;
    this.#subscriptions.splice(index, 1);
    subscription.close();
    this.#guard(() => this.#desk.leave(subscription));
    this.#onSettings();
  }

  /** Somebody came, went, or wants frames otherwise. */
  #onSettings(): void {
    this.#withLive((live) => live.onSettings());
    this.#pump();
    this.#sendStates();
  }

  /** Control changed hands, or the run is asked to pause or to go on. */
  #onControl(): void {
    this.#withLive((live) => live.followPhase());
    this.#sendStates();
  }

  onFrameEvent(headFrame: number, wokenNs: bigint): void {
    this.#send((live) => live.onFrameEvent(headFrame, wokenNs));
  }

  onPackets(wokenNs: bigint): void {
    this.#guard(() => this.#ending.onPackets());
    this.#send((live) => live.onPackets(wokenNs));
  }

  #pump(): void {
    this.#send((live) => live.pump());
  }

  /** Where frames go, the numbers over them go too. */
  #send(frames: (live: Live) => boolean): void {
    this.#withLive((live) => {
      if (frames(live)) this.#sendHud(live.attachment);
      this.#desk.settle();
    });
  }

  /** The stream opened or changed its encoder. */
  onEncoder(): void {
    this.#withLive((live) => live.onEncoder());
    this.#sendStates();
  }

  /** The stream has no encoder left for these outputs. */
  onNoEncoder(outputs: number): void {
    this.#withLive((live) => live.onNoEncoder(outputs));
    this.#sendStates();
  }

  acked(subscription: Subscription, frame: number): void {
    if (this.#live?.acked(subscription, frame)) this.#pump();
  }

  onKeyframeRequest(subscription: Subscription): void {
    this.#withLive((live) => live.onKeyframeRequest(subscription));
  }

  onDisplay(subscription: Subscription, display: Display): void {
    subscription.display = display.periodMs === 0 ? null : display;
    this.#withLive((live) => live.followPhase());
  }

  /** One of a run that is not there has no metrics to go to: they would never be forgotten. */
  onReport(report: ViewerReport): void {
    this.#live?.onReport(report);
  }

  #sendHud({ reader }: Attachment): void {
    this.#hud.send(reader, this.#subscriptions);
  }

  /** About ten times a second: numbers that moved without a frame, commands that were taken without one. */
  onTick(): void {
    this.#withLive((live) => {
      this.#sendHud(live.attachment);
      this.#desk.settle();
      live.onTick();
    });
  }

  /** Once a second. */
  onSecond(): void {
    this.#withLive((live) => live.onSecond());
    this.#sendStates();
  }

  input(subscription: Subscription, events: Uint8Array<ArrayBuffer>): void {
    this.#guard(() => {
      const eventsDropped = this.#desk.input(subscription, events);
      if (eventsDropped > 0) this.#context.metrics().inputsDropped.inc(eventsDropped);
    });
  }

  /** Carries a command out; see {@link ControlDesk.command}. */
  command(subscription: Subscription, command: ViewerCommand, done: CommandDone): void {
    try {
      this.#desk.command(subscription, command, done);
    } catch (error) {
      if (!(error instanceof TelebridgeError)) throw error;
      this.#context.onFault(error);
      throw new CommandError(`"${this.runId}" is lost`);
    }
  }

  /** Works on the attached ring, when there is one. */
  #withLive(work: (live: Live) => void): void {
    const live = this.#live;
    if (live !== null) this.#guard(() => work(live));
  }

  /** What goes wrong with a ring is its run's end, and nothing else's; anything else is a bug, and ends no run. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof TelebridgeError) this.#context.onFault(error);
      else logger.error`run ${this.runId} goes on after a bug: ${error}`;
    }
  }

  #sendStates(): void {
    for (const subscription of this.#subscriptions) {
      subscription.sendState(this.#stateFor(subscription));
    }
  }

  #stateFor(subscription: Subscription): StreamState {
    const run = this.#run;
    const { controllable, paused } = this.#desk;
    const flags = run?.reader?.status.flags ?? 0;
    return {
      run: this.runId,
      phase: this.#phase(),
      ...(run?.reason === undefined ? {} : { message: run.reason }),
      paused: controllable ? paused : (flags & RunFlag.Paused) !== 0,
      control: this.#desk.ownerFor(subscription),
      controllable,
      epoch: run === null ? "" : String(run.epochNs),
      lane: this.#live?.laneStateFor(subscription) ?? null,
    };
  }

  #phase(): StreamState["phase"] {
    if (this.#run === null) return "waiting";
    if (this.#run.failed) return "error";
    return this.#live === null ? "ended" : "live";
  }
}
