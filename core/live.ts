/** What exists while a segment is attached: its frames on their way to all who watch, on whichever lane each is. */

import type { LaneState, ViewerReport } from "../proto/wire.ts";
import type { Attachment } from "./attachment.ts";
import { Dispatch, NOT_WOKEN_NS } from "./dispatch.ts";
import { LaneDesk, type VideoOptions } from "./lane_desk.ts";
import type { RunMetrics } from "./metrics.ts";
import { PhaseDesk } from "./phase_desk.ts";
import { RunRate } from "./run_rate.ts";
import type { Subscription } from "./subscription.ts";
import type { VideoSettings, VideoStatus } from "../ffi/stream.ts";
import type { StreamHold } from "./video_stream.ts";

export interface LiveOptions {
  attachment: Attachment;
  /** The channel's own list. */
  subscriptions: readonly Subscription[];
  metrics: RunMetrics;
  clockNs: () => bigint;
  video: VideoOptions;
  openStream: (attachment: Attachment, settings: VideoSettings) => StreamHold | null;
  /** The viewer that has control. */
  owner: () => Subscription | null;
  /** Called when lanes may have changed. */
  onLanes: () => void;
  /** Called when it is time to {@link Live.pump}. */
  onTimer: () => void;
}

/** Everything may throw what the ring's reader throws. */
export class Live implements Disposable {
  readonly attachment: Attachment;
  readonly #options: LiveOptions;
  readonly #dispatch: Dispatch;
  readonly #lanes: LaneDesk;
  readonly #rate = new RunRate();
  readonly #phase = new PhaseDesk();

  constructor(options: LiveOptions) {
    this.#options = options;
    this.attachment = options.attachment;
    this.#lanes = new LaneDesk({ ...options, ...options.video });
    const onShape = this.#lanes.sawShape.bind(this.#lanes);
    this.#dispatch = new Dispatch({ ...options, onShape });
    this.onSettings();
  }

  /** What the run's stream does; null without one. */
  get streamStatus(): VideoStatus | null {
    return this.#lanes.status;
  }

  /** There is a stream, whether anybody watches it or not. */
  get streams(): boolean {
    return this.#lanes.streams;
  }

  /** The hub saw a frame of the ring. Returns whether anybody was sent one. */
  onFrameEvent(headFrame: number, wokenNs: bigint): boolean {
    const sent = this.#dispatch.onFrameEvent(headFrame, wokenNs);
    this.#settle();
    return sent;
  }

  /** The stream has packets. Returns whether anybody was sent one. */
  onPackets(wokenNs: bigint): boolean {
    const sent = this.#lanes.pump(wokenNs);
    this.#settle();
    return sent;
  }

  /** A viewer may have room, or its time may have come. Returns whether anybody was sent something. */
  pump(): boolean {
    const sentRaw = this.#dispatch.pump(NOT_WOKEN_NS);
    const sentPacket = this.#lanes.pump(NOT_WOKEN_NS);
    this.#settle();
    return sentRaw || sentPacket;
  }

  /** A viewer has drawn a frame. Returns whether it may be sent another now and could not before. */
  acked(subscription: Subscription, frame: number): boolean {
    return this.#dispatch.acked(subscription, frame);
  }

  /** Lanes may have changed by what was just seen. */
  #settle(): void {
    if (!this.#lanes.stale) return;
    if (this.#lanes.settle()) this.#dispatch.pump(NOT_WOKEN_NS);
    this.followPhase();
    this.#options.onLanes();
  }

  /** Somebody came, went, or wants frames otherwise. */
  onSettings(): void {
    this.#rate.apply(this.attachment.controller, this.#options.subscriptions);
    this.#lanes.review();
  }

  /** A display told of itself, or control changed hands. */
  followPhase(): void {
    const { subscriptions, owner, clockNs } = this.#options;
    const runHz = this.#lanes.passesAll ? 0 : this.#rate.runHz;
    this.#phase.follow(subscriptions, owner(), runHz, Number(clockNs()));
    this.#lanes.grid = this.#phase.gridFor(false);
  }

  /** A viewer told what it saw of itself. */
  onReport(report: ViewerReport): void {
    this.#options.metrics.onReport(report);
  }

  onKeyframeRequest(subscription: Subscription): void {
    this.#lanes.onKeyframeRequest(subscription);
  }

  onEncoder(): void {
    this.#lanes.onEncoder();
  }

  onNoEncoder(outputs: number): void {
    this.#lanes.onNoEncoder(outputs);
    this.pump();
  }

  /** About ten times a second. */
  onTick(): void {
    this.#lanes.onTick();
  }

  /** Once a second: the ring's advisory words, a controller that became free, what is measured by the second. */
  onSecond(): void {
    const { attachment } = this;
    const { subscriptions, clockNs } = this.#options;
    if (attachment.controller === null && attachment.takeController()) this.#lanes.restart();
    this.#rate.onSecond(attachment.reader.status.head, subscriptions, Number(clockNs()));
    this.#rate.apply(attachment.controller, subscriptions);
    const first = subscriptions[0]?.pacer;
    // Where there is a stream its thread tells.
    if (first !== undefined && !this.streams) {
      attachment.controller?.setSampled(first.lastFrame, first.framesSkipped);
    }
    this.#lanes.onSecond();
    this.followPhase();
    this.pump();
  }

  /** The run is over: its last frame goes to whoever can take it. Returns whether its stream may still be at work on it. */
  finish(): boolean {
    this.#dispatch.finish();
    return this.#lanes.finish();
  }

  /** The stream of a run that is over has packets. */
  finishPackets(): void {
    this.#lanes.finish();
  }

  /** null while the run's picture is not known. */
  laneStateFor(subscription: Subscription): LaneState | null {
    const lane = this.#lanes.stateFor(subscription);
    return lane && {
      ...lane,
      phaseLocked: this.#phase.leader === subscription,
      rateMaxHz: this.#rate.ringCapHz,
    };
  }

  [Symbol.dispose](): void {
    this.#dispatch.stop();
    for (const subscription of this.#options.subscriptions) {
      subscription.lane = null;
      subscription.pacer.grid = null;
    }
    try {
      this.#lanes[Symbol.dispose]();
    } finally {
      this.attachment[Symbol.dispose]();
    }
  }
}
