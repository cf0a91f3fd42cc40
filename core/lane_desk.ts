/**
 * Which lane each viewer of an attached run is on, and the stream that makes packets for those who are not on raw. While
 * there is a stream, its thread waits for frames and renews the lease; raw viewers are then served by polling.
 */

import { getLogger } from "@logtape/logtape";
import { TelebridgeError } from "../ffi/errors.ts";
import type { PictureShape } from "../ffi/reader.ts";
import { type LaneChoice, type LaneKind, type LaneState, PixelFormat } from "../proto/wire.ts";
import type { Attachment } from "./attachment.ts";
import { chooseLane } from "./lane.ts";
import type { RunMetrics } from "./metrics.ts";
import type { Grid } from "./phase_lock.ts";
import type { Subscription } from "./subscription.ts";
import { VideoFeed } from "./video_feed.ts";
import { EncoderKind, type VideoSettings, type VideoStatus } from "../ffi/stream.ts";
import type { StreamHold } from "./video_stream.ts";
import { outputOf } from "./video_viewer.ts";

/**
 * A stream that nobody watches is kept for so many seconds, and makes nothing meanwhile: a viewer who goes from lane to
 * lane, or comes back, costs no thread and no encoder each time, and one that has come to rest ends at once.
 */
const IDLE_SECONDS_MAX = 2;

const logger = getLogger(["telebridge", "video"]);

/** What `serve` was told about video. */
export interface VideoOptions {
  /** {@link import("../ffi/stream.ts").EncoderKind} */
  encoder: number;
  /** 0 = keyframes only when needed. */
  gopMs: number;
  /** Stands for a viewer's `auto`. */
  lane: LaneChoice;
}

export interface LaneDeskOptions extends VideoOptions {
  attachment: Attachment;
  /** The channel's own list. */
  subscriptions: readonly Subscription[];
  metrics: RunMetrics;
  clockNs: () => bigint;
  /** Starts a stream's thread on a reader of its own; null: the segment is not there any more. */
  openStream: (attachment: Attachment, settings: VideoSettings) => StreamHold | null;
  /** Called when it is time to pump. */
  onTimer: () => void;
}

/** Dispose it before the attachment. */
export class LaneDesk implements Disposable {
  readonly #options: LaneDeskOptions;
  /** Lanes that this run cannot have, and why. */
  readonly #failed = new Map<LaneKind, string>();
  #shape: PictureShape | null;
  #stale = false;
  #feed: VideoFeed | null = null;
  #idleSeconds = 0;
  #encoderLogged = "";

  constructor(options: LaneDeskOptions) {
    this.#options = options;
    this.#shape = options.attachment.reader.readShape();
  }

  /** What the stream does; null without one. */
  get status(): VideoStatus | null {
    return this.#feed?.status ?? null;
  }

  /** There is a stream, whether anybody watches it or not. */
  get streams(): boolean {
    return this.#feed !== null;
  }

  /** The producer's own chain is passed: every packet as it comes, whatever a display wants. */
  get passesAll(): boolean {
    return this.#shape?.format === PixelFormat.H264;
  }

  /** Lanes were chosen since the last {@link settle}. */
  get stale(): boolean {
    return this.#stale;
  }

  /** Somebody came, went, or wants another lane, or what can be had has changed. */
  review(): void {
    this.#stale = true;
    const shape = this.#shape;
    for (const subscription of this.#options.subscriptions) {
      const { lane: choice, accepts } = subscription.settings;
      const serverChoice = this.#options.lane;
      const failed = this.#failed;
      subscription.lane = shape && chooseLane({ choice, serverChoice, accepts, shape, failed });
    }
  }

  /** A frame of this shape is about to be sent. */
  sawShape(width: number, height: number, format: number): void {
    const shape = this.#shape;
    const same = shape?.width === width && shape.height === height && shape.format === format;
    if (same) return;
    this.#shape = { width, height, format };
    // What failed may do for this size.
    this.#failed.clear();
    this.review();
  }

  /** Tells the stream who watches it, or starts it. Returns whether the hub must be armed anew. */
  settle(): boolean {
    this.#stale = false;
    if (this.#feed === null) return this.#wanted && this.#open();
    if (this.#wanted) this.#idleSeconds = 0;
    this.#feed.follow(this.#options.subscriptions);
    return false;
  }

  get #wanted(): boolean {
    return this.#options.subscriptions.some(({ raw }) => !raw);
  }

  #open(): boolean {
    const { attachment, subscriptions, openStream } = this.#options;
    attachment.lend();
    try {
      this.#feed = new VideoFeed({
        ...this.#options,
        open: (settings) => openStream(attachment, settings) ?? fail(),
        passed: this.passesAll,
        onSize: (width, height) => this.sawShape(width, height, this.#shape!.format),
      }, subscriptions);
    } catch (error) {
      attachment.takeBack();
      if (error instanceof SegmentGone) return true;
      if (!(error instanceof TelebridgeError)) throw error;
      logger.warn`run ${attachment.reader.runId} has no video: ${error.message}`;
      for (const kind of ["h264", "jpeg"] as const) this.#failed.set(kind, error.message);
      this.review();
    }
    return true;
  }

  #close(): void {
    const feed = this.#feed;
    this.#feed = null;
    this.#idleSeconds = 0;
    try {
      feed?.[Symbol.dispose]();
    } finally {
      this.#options.attachment.takeBack();
    }
  }

  /** The stream begins anew, with what the attachment can lend now. */
  restart(): void {
    if (this.#feed === null) return;
    this.#close();
    this.settle();
  }

  /** The stream has packets, or a viewer has room for one. Returns whether anybody was sent one. */
  pump(wokenNs: bigint): boolean {
    return this.#feed?.pump(wokenNs) ?? false;
  }

  /** The run is over: what the stream has left goes out. Returns whether more may come. */
  finish(): boolean {
    this.#feed?.finish();
    return this.#feed !== null;
  }

  onKeyframeRequest(subscription: Subscription): void {
    this.#feed?.onKeyframeRequest(subscription);
  }

  /** The stream opened or changed its encoder. */
  onEncoder(): void {
    const status = this.#feed?.readStatus();
    if (status === undefined) return;
    const { runId } = this.#options.attachment.reader;
    const { encoder, encoderName, width, height, note } = status;
    const makes = encoder === EncoderKind.Passed
      ? `passed as it is: ${note}`
      : `${encoderName} encodes ${width} × ${height} (${note})`;
    if (makes === this.#encoderLogged) return;
    this.#encoderLogged = makes;
    logger.info`run ${runId}: ${makes}`;
  }

  /** The stream has no encoder left for these outputs: their viewers go to another lane, for as long as the size stays. */
  onNoEncoder(outputs: number): void {
    const status = this.#feed?.readStatus();
    if (status === undefined) return;
    const why = status.note || "no encoder works";
    const { runId } = this.#options.attachment.reader;
    for (const lost of ["h264", "jpeg"] as const) {
      if ((outputs & outputOf(lost)) === 0 || this.#failed.has(lost)) continue;
      logger.warn`run ${runId} has no ${lost} lane any more: ${why}`;
      this.#failed.set(lost, why);
    }
    this.review();
  }

  /** About ten times a second. */
  onTick(): void {
    this.#feed?.onTick();
  }

  /** Once a second; what was not seen in frames is seen here. The hub may have to be armed anew. */
  onSecond(): void {
    this.#feed?.readStatus();
    const shape = this.#options.attachment.reader.readShape();
    if (shape !== null) this.sawShape(shape.width, shape.height, shape.format);
    if (this.#feed === null || this.#wanted) return;
    if (++this.#idleSeconds >= IDLE_SECONDS_MAX) this.#close();
  }

  set grid(grid: Grid | null) {
    if (this.#feed !== null) this.#feed.grid = grid;
  }

  /** For the viewer's page; null while the picture is not known. */
  stateFor({ lane }: Subscription): Omit<LaneState, "phaseLocked" | "rateMaxHz"> | null {
    if (lane === null) return null;
    const { encoder, bitrateKbps } = this.#making(lane.kind);
    return { ...lane, encoder, bitrateKbps };
  }

  #making(kind: LaneKind): Pick<LaneState, "encoder" | "bitrateKbps"> {
    const none = { encoder: null, bitrateKbps: null };
    const format = this.#shape?.format;
    if (kind === "raw" || this.#feed === null) return none;
    const passed = format === (kind === "h264" ? PixelFormat.H264 : PixelFormat.Jpeg);
    if (passed) return { encoder: "the producer's own", bitrateKbps: null };
    if (kind === "jpeg") return { encoder: "libjpeg-turbo", bitrateKbps: null };
    const { encoderName, bitrateKbps } = this.#feed.status;
    return encoderName === "" ? none : { encoder: encoderName, bitrateKbps };
  }

  [Symbol.dispose](): void {
    const feed = this.#feed;
    this.#feed = null;
    feed?.[Symbol.dispose]();
  }
}

/** The segment is not there any more, or another one is: the registry will say so. */
class SegmentGone extends Error {}

function fail(): never {
  throw new SegmentGone("the segment is gone");
}
