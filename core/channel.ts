/** Everybody who watches one run id, across the run's starts and ends. Attached to the run's segment while it lives. */

import { getLogger } from "@logtape/logtape";
import { TelebridgeError } from "../ffi/errors.ts";
import { RunFlag } from "../ffi/reader.ts";
import type { StreamState } from "../proto/wire.ts";
import type { Attachment } from "./attachment.ts";
import { type CommandDone, CommandError, ControlDesk, type ViewerCommand } from "./control_desk.ts";
import { Dispatch, NOT_WOKEN_NS } from "./dispatch.ts";
import { HudFeed } from "./hud_feed.ts";
import type { RunMetrics } from "./metrics.ts";
import type { PacerSettings } from "./pacer.ts";
import type { Run } from "./run.ts";
import type { Subscription } from "./subscription.ts";

const MHZ_PER_HZ = 1000;
const NS_PER_MS = 1e6;
/** The ring's rate cap is a u32. */
const RATE_MAX_MHZ = 0xffff_ffff;

const logger = getLogger(["telebridge", "channels"]);

export interface ChannelContext {
  clockNs: () => bigint;
  /** The run's counters; asked for when a segment is attached. */
  metrics: () => RunMetrics;
  attach: (run: Run) => Attachment;
  /** The ring could not be used: that run ends, and only that. */
  onFault: (error: TelebridgeError) => void;
}

/** What exists while a segment is attached. */
interface Live {
  attachment: Attachment;
  dispatch: Dispatch;
}

export class Channel {
  readonly runId: string;
  readonly #context: ChannelContext;
  readonly #desk: ControlDesk;
  readonly #subscriptions: Subscription[] = [];
  readonly #hud = new HudFeed();
  #run: Run | null = null;
  #live: Live | null = null;

  constructor(runId: string, context: ChannelContext) {
    this.runId = runId;
    this.#context = context;
    const nowMs = () => Number(context.clockNs()) / NS_PER_MS;
    this.#desk = new ControlDesk(runId, nowMs, () => this.#sendStates());
  }

  get viewersCount(): number {
    return this.#subscriptions.length;
  }

  /** Nobody watches, and nothing must be kept: a paused run stays attached so that it stays paused. */
  get idle(): boolean {
    return this.#subscriptions.length === 0 && !this.#desk.paused;
  }

  /** Follows the run: attaches to a live one, lets go of an ended one. `null`: no such run yet. */
  follow(run: Run | null): void {
    this.#run = run;
    const reader = run?.reader ?? null;
    if ((this.#live?.attachment.reader ?? null) !== reader) {
      if (run !== null && !run.failed) this.#withLive(({ dispatch }) => dispatch.finish());
      this.detach();
      if (reader !== null) this.#guard(() => this.#attach(run!));
    }
    this.#sendStates();
    this.#pump();
  }

  #attach(run: Run): void {
    const attachment = this.#context.attach(run);
    const dispatch = new Dispatch({
      attachment,
      subscriptions: this.#subscriptions,
      metrics: this.#context.metrics(),
      clockNs: this.#context.clockNs,
      onTimer: () => this.#pump(),
    });
    this.#live = { attachment, dispatch };
    this.#desk.follow(attachment);
    for (const { pacer } of this.#subscriptions) pacer.restart();
    this.#updateRateMax(attachment);
  }

  /** Lets go of the segment; before its reader is closed. */
  detach(): void {
    const live = this.#live;
    this.#live = null;
    this.#desk.follow(null);
    this.#hud.restart();
    live?.dispatch.stop();
    live?.attachment[Symbol.dispose]();
  }

  /** The viewer is listed before the run is followed: a channel that fails to attach is not idle, and stays. */
  add(subscription: Subscription, run: Run | null): void {
    this.#subscriptions.push(subscription);
    subscription.onReady = () => this.#pump();
    this.follow(run);
    this.#onSettings();
  }

  configure(subscription: Subscription, settings: PacerSettings): void {
    subscription.pacer.settings = settings;
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
    this.#withLive(({ attachment }) => this.#updateRateMax(attachment));
    this.#pump();
  }

  onFrameEvent(headFrame: number, wokenNs: bigint): void {
    this.#withLive(({ attachment, dispatch }) => {
      if (dispatch.onFrameEvent(headFrame, wokenNs)) this.#sendHud(attachment);
      this.#desk.settle();
    });
  }

  acked(subscription: Subscription, frame: number): void {
    if (this.#live?.dispatch.acked(subscription, frame)) this.#pump();
  }

  #pump(): void {
    this.#withLive(({ attachment, dispatch }) => {
      if (dispatch.pump(NOT_WOKEN_NS)) this.#sendHud(attachment);
    });
  }

  #sendHud({ reader }: Attachment): void {
    this.#hud.send(reader, this.#subscriptions);
  }

  /** About ten times a second: numbers that moved without a frame, commands that were taken without one. */
  onHudTick(): void {
    this.#withLive(({ attachment }) => {
      this.#sendHud(attachment);
      this.#desk.settle();
    });
  }

  /** Once a second: what the run's status says, the ring's advisory words, a controller that became free. */
  onSecond(): void {
    this.#withLive(({ attachment }) => {
      if (attachment.controller === null && attachment.takeController()) {
        this.#updateRateMax(attachment);
        this.#pump();
      }
      const first = this.#subscriptions[0]?.pacer;
      if (first !== undefined) {
        attachment.controller?.setSampled(first.lastFrame, first.framesSkipped);
      }
    });
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

  /** The producer may slow down to what the fastest viewer takes, when every one has a cap. */
  #updateRateMax({ controller }: Attachment): void {
    const ratesHz = this.#subscriptions.map(({ pacer: { settings } }) =>
      settings.fpsMax === 0 ? Infinity : settings.fpsMax * settings.everyNth
    );
    const rateMaxHz = Math.max(0, ...ratesHz);
    const rateMaxMhz = Math.min(Math.round(rateMaxHz * MHZ_PER_HZ), RATE_MAX_MHZ);
    controller?.setRateMax(rateMaxHz === Infinity ? 0 : rateMaxMhz);
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
      lane: null,
    };
  }

  #phase(): StreamState["phase"] {
    if (this.#run === null) return "waiting";
    if (this.#run.failed) return "error";
    return this.#live === null ? "ended" : "live";
  }
}
