/** All channels, and the one loop that waits for frames of all of them. */

import { getLogger } from "@logtape/logtape";
import { type Hub, HubEventKind } from "../ffi/hub.ts";
import type { Library } from "../ffi/library.ts";
import { Attachment } from "./attachment.ts";
import { Channel } from "./channel.ts";
import { messageOf } from "./errors.ts";
import { guarded } from "./guard.ts";
import type { VideoOptions } from "./lane_desk.ts";
import type { Metrics } from "./metrics.ts";
import type { RunListener, RunRegistry } from "./registry.ts";
import { faultReason, type Run } from "./run.ts";
import { openSegment } from "./segment_reader.ts";
import type { Subscription } from "./subscription.ts";
import type { VideoSettings, VideoStatus } from "../ffi/stream.ts";
import type { StreamHold } from "./video_stream.ts";

/** The hub renews leases while somebody waits in it; it comes back this often at least. */
const HUB_WAIT_MS = 1_000;
const HUD_TICK_MS = 100;

const logger = getLogger(["telebridge", "channels"]);

export class Channels implements RunListener {
  readonly #library: Library;
  readonly #hub: Hub;
  readonly #registry: RunRegistry;
  readonly #metrics: Metrics;
  readonly #video: VideoOptions;
  readonly #onWatched: (runIds: ReadonlySet<string>) => void;
  readonly #channels = new Map<string, Channel>();
  readonly #byStream = new Map<number, { channel: Channel; segment: string }>();
  /** Those of {@link #byStream} that make video. */
  readonly #videoStreams = new Set<number>();
  #streamsCount = 0;
  #hudTimer: ReturnType<typeof setInterval> | undefined;
  #waiting: Promise<void> | null = null;
  #stopping = false;

  constructor(
    options: {
      library: Library;
      registry: RunRegistry;
      metrics: Metrics;
      video: VideoOptions;
      /** Called with all runs that somebody watches, when there is one more or less. They need not exist yet. */
      onWatched?: (runIds: ReadonlySet<string>) => void;
    },
  ) {
    this.#library = options.library;
    this.#registry = options.registry;
    this.#metrics = options.metrics;
    this.#video = options.video;
    this.#onWatched = options.onWatched ?? (() => {});
    this.#hub = options.library.openHub();
  }

  /** Viewers of a run. */
  viewersCount(runId: string): number {
    return this.#channels.get(runId)?.viewersCount ?? 0;
  }

  /** Every run that somebody watches. */
  *viewersByRun(): Generator<[run: string, viewers: number]> {
    for (const [runId, channel] of this.#channels) yield [runId, channel.viewersCount];
  }

  /** What each stream does. */
  *streams(): Generator<[run: string, status: VideoStatus]> {
    for (const [runId, { streamStatus }] of this.#channels) {
      if (streamStatus !== null) yield [runId, streamStatus];
    }
  }

  /** Starts to watch; the run need not exist yet. */
  subscribe(runId: string, subscription: Subscription): Channel {
    const channel = this.#channels.get(runId) ?? this.#create(runId);
    channel.add(subscription, this.#registry.get(runId));
    if (channel.viewersCount === 1) this.#tellWatched();
    return channel;
  }

  unsubscribe(channel: Channel, subscription: Subscription): void {
    channel.remove(subscription);
    if (channel.viewersCount === 0) this.#tellWatched();
    this.#dropIfIdle(channel);
  }

  #tellWatched(): void {
    const watched = [...this.#channels.values()].filter(({ viewersCount }) => viewersCount > 0);
    this.#onWatched(new Set(watched.map(({ runId }) => runId)));
  }

  /** A run appeared, ended or failed, or its pictures come another way. */
  onRunChange(runId: string): void {
    const channel = this.#channels.get(runId);
    if (channel === undefined) return;
    channel.follow(this.#registry.get(channel.runId));
    this.#dropIfIdle(channel);
  }

  onSecond(): void {
    for (const channel of this.#channels.values()) {
      channel.onSecond();
      this.#dropIfIdle(channel);
    }
  }

  #create(runId: string): Channel {
    const channel: Channel = new Channel(runId, {
      clockNs: () => this.#library.clockMonoNs(),
      metrics: () => this.#metrics.forRun(runId),
      attach: (run) => this.#attach(channel, run),
      video: this.#video,
      openStream: (attachment, settings) => this.#openStream(channel, attachment, settings),
      onFault: (error) => this.#fault(channel.segment, error.message),
    });
    this.#channels.set(runId, channel);
    this.#hudTimer ??= setInterval(() => this.#onHudTick(), HUD_TICK_MS);
    return channel;
  }

  #attach(channel: Channel, run: Run): Attachment {
    const streamId = ++this.#streamsCount;
    const { segment } = run;
    const attachment = new Attachment(this.#library, this.#hub, streamId, run.reader!, () => {
      this.#byStream.delete(streamId);
    });
    if (attachment.controller === null) {
      const { whyUncontrolled } = attachment;
      logger.warn`run ${segment} can be watched, not paused, for now: ${whyUncontrolled}`;
    }
    this.#byStream.set(streamId, { channel, segment });
    this.#waiting ??= this.#wait();
    return attachment;
  }

  /** On a reader of its own, of the same segment: a stream's thread reads beside this one. */
  #openStream(
    channel: Channel,
    { reader: { runId: segment, epochNs }, controller }: Attachment,
    settings: VideoSettings,
  ): StreamHold | null {
    using undo = new DisposableStack();
    const streamId = ++this.#streamsCount;
    const reader = openSegment(this.#library, segment, epochNs);
    if (reader === null) return null;
    undo.use(reader);
    const stream = this.#library.openStream(this.#hub, streamId, reader, controller, settings);
    undo.use(stream);
    this.#byStream.set(streamId, { channel, segment });
    this.#videoStreams.add(streamId);
    undo.defer(() => {
      this.#byStream.delete(streamId);
      this.#videoStreams.delete(streamId);
    });
    const hold = undo.move();
    return { stream, [Symbol.dispose]: () => hold.dispose() };
  }

  #dropIfIdle(channel: Channel): void {
    if (!channel.idle || this.#channels.get(channel.runId) !== channel) return;
    channel.detach();
    this.#channels.delete(channel.runId);
    if (this.#channels.size > 0) return;
    clearInterval(this.#hudTimer);
    this.#hudTimer = undefined;
  }

  #fault(segment: string, reason: string): void {
    this.#metrics.countError("run");
    this.#registry.fail(segment, reason);
  }

  #onHudTick(): void {
    for (const channel of this.#channels.values()) {
      guarded("the HUD's tick", () => channel.onTick());
    }
  }

  /** Waits for as long as anything is attached. Between the hub's event and the transport nothing is awaited. */
  async #wait(): Promise<void> {
    while (this.#byStream.size > 0 && !this.#stopping) {
      const eventsCount = await this.#nextEvents();
      for (let index = 0; index < eventsCount; index++) {
        guarded("an event of the hub", () => this.#onHubEvent(index));
      }
    }
    this.#waiting = null;
  }

  async #nextEvents(): Promise<number> {
    try {
      return await this.#hub.next(HUB_WAIT_MS);
    } catch (error) {
      logger.error(messageOf(error));
      await new Promise((resolve) => setTimeout(resolve, HUB_WAIT_MS));
      return 0;
    }
  }

  #onHubEvent(index: number): void {
    const stream = this.#byStream.get(this.#hub.streamId(index));
    if (stream === undefined) return;
    const { channel, segment } = stream;
    switch (this.#hub.kind(index)) {
      case HubEventKind.Frame:
        return channel.onFrameEvent(this.#hub.headFrame(index), this.#hub.wokenNs(index));
      case HubEventKind.Packet:
        return channel.onPackets(this.#hub.wokenNs(index));
      case HubEventKind.Encoder:
        return channel.onEncoder();
      case HubEventKind.NoEncoder:
        return channel.onNoEncoder(this.#hub.outputsLost(index));
      case HubEventKind.Fault:
        return this.#fault(segment, faultReason(this.#hub.detail(index)));
      case HubEventKind.Polling:
        logger
          .warn`run ${segment} sends no datagrams here (another TELEBRIDGE_RUNTIME_DIR?): polling`;
        return;
      default:
        this.#registry.look(segment);
        if (this.#videoStreams.has(this.#hub.streamId(index))) channel.onStreamEnd();
    }
  }

  /** Lets go of every run, clearing what its controller had set. Resolves when the hub is closed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#hudTimer);
    for (const channel of this.#channels.values()) channel.detach();
    this.#channels.clear();
    this.#hub.wake();
    await this.#waiting;
    this.#hub[Symbol.dispose]();
  }
}
