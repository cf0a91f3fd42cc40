/**
 * H.264 by the browser's own decoder (WebCodecs). The stream has no reordering, so each access unit that goes in must
 * come out by itself, at once. A decoder that fails, stands still or holds pictures back is started anew, in software
 * if it was in hardware; that is remembered for as long as the page lives. When no decoder works, the lane is given up.
 */

import { FRAME_KEYFRAME, type FrameHeader } from "../proto/wire.ts";
import { admitPacket, createGate, keyframeIsDue, missChain, restartGate } from "./chain_gate.ts";
import {
  type DecodedPicture,
  giveOverlayBack,
  keepOverlay,
  payloadOf,
  type ReceivedFrame,
} from "./decoded_frame.ts";
import { FrameLease } from "./frame_lease.ts";
import { summariseAccessUnit } from "./h264.ts";
import { deliver, type Pipeline, type PipelineSink, type PipelineTools } from "./pipeline.ts";

/**
 * Access units that the decoder has not begun, at most; beyond that all are dropped to the next keyframe. The server
 * keeps six on their way, so more means that it does not hold to that.
 */
const DECODE_QUEUE_MAX = 8;
/** Pictures that a decoder owes, at most: more, and it has swallowed some. */
const PENDING_MAX = 32;
/** A picture that is older than this when the next one goes in, with nothing queued before it, was held back. */
const HELD_BACK_MS = 12;
/** So many in a row are no accident. */
const HELD_BACK_FRAMES = 8;

/** The browser takes decoders back that were idle for long, as a paused run's, and ends them with this error. */
const TAKEN_BACK = "QuotaExceededError";

/** Decoders that may fail one after the other without a picture: the first in hardware, two in software. */
const FAILURES_MAX = 3;

/** What decodes: of the browser, or a double of it. */
export interface DecoderFactory {
  create(init: VideoDecoderInit): VideoDecoder;
  chunk(init: EncodedVideoChunkInit): EncodedVideoChunk;
}

export const browserDecoders: DecoderFactory = {
  create: (init) => new VideoDecoder(init),
  chunk: (init) => new EncodedVideoChunk(init),
};

/** Where to decode, outlives the pipelines of a page. */
export interface DecoderPreference {
  acceleration: HardwareAcceleration;
}

/** A frame whose picture the decoder owes. */
interface PendingPicture {
  header: FrameHeader;
  overlay: Uint8Array<ArrayBuffer>;
  receivedAtMs: number;
  pushedAtMs: number;
}

export class WebCodecsPipeline implements Pipeline {
  readonly lane = "h264";
  readonly #tools: PipelineTools;
  readonly #sink: PipelineSink;
  readonly #factory: DecoderFactory;
  readonly #preference: DecoderPreference;
  readonly #gate = createGate();
  /** By timestamp, which is a key and no time: the oldest first. */
  readonly #pending = new Map<number, PendingPicture>();
  #decoder: VideoDecoder | null = null;
  #config: VideoDecoderConfig | null = null;
  #lastTimestampUs = 0;
  #heldBackFrames = 0;
  /** Decoders given up since the last picture. */
  #failures = 0;
  /** A dropped frame that is newer than all pending ones. */
  #droppedFrame = 0;

  constructor(
    tools: PipelineTools,
    sink: PipelineSink,
    factory: DecoderFactory,
    preference: DecoderPreference,
  ) {
    this.#tools = tools;
    this.#sink = sink;
    this.#factory = factory;
    this.#preference = preference;
  }

  get codec(): string {
    return this.#config?.codec ?? "";
  }

  get acceleration(): string {
    const { hardwareAcceleration } = this.#config ?? {};
    if (hardwareAcceleration === "prefer-hardware") return "hardware";
    return hardwareAcceleration === "prefer-software" ? "software" : "";
  }

  get framesPending(): number {
    return this.#pending.size;
  }

  push(frame: ReceivedFrame): void {
    try {
      if (this.#isDecodable(frame)) this.#decode(frame);
      else this.#drop(frame.header);
    } catch (error) {
      // A damaged frame, or a configuration that no decoder takes.
      this.#sink.onError((error as Error).message);
      missChain(this.#gate);
      this.#drop(frame.header);
    } finally {
      this.#tools.pool.give(frame.bytes.buffer);
    }
    this.#askForKeyframe();
  }

  restart(): void {
    this.#discardDecoder();
    restartGate(this.#gate);
    this.#droppedFrame = 0;
  }

  kick(): void {
    // One that owes nothing is not to blame: a keyframe is missed.
    if (this.#pending.size > 0) this.#restartDecoder("gives no pictures");
  }

  tick(nowMs: number): void {
    this.#askForKeyframe(nowMs);
  }

  close(): void {
    this.#discardDecoder();
  }

  /** Lets a frame pass the gate and sees to it that there is a decoder for it. */
  #isDecodable(frame: ReceivedFrame): boolean {
    const { header } = frame;
    if (!admitPacket(this.#gate, header)) return false;
    const queueIsFull = this.#decoder !== null && this.#decoder.decodeQueueSize >= DECODE_QUEUE_MAX;
    if ((header.flags & FRAME_KEYFRAME) === 0) {
      this.#watchHeldBack();
      if (this.#decoder !== null && !queueIsFull) return true;
      missChain(this.#gate);
      return false;
    }
    if (queueIsFull) this.#discardDecoder();
    const { codec, isKeyframe } = summariseAccessUnit(payloadOf(frame));
    if (!isKeyframe || codec === null) {
      throw new Error(`frame ${header.frame} is damaged: a keyframe without its parameters`);
    }
    this.#configure(codec, header);
    return true;
  }

  #configure(codec: string, { width, height }: FrameHeader): void {
    const config: VideoDecoderConfig = {
      codec,
      // Odd sizes are coded with one column or row more.
      codedWidth: width + (width & 1),
      codedHeight: height + (height & 1),
      optimizeForLatency: true,
      hardwareAcceleration: this.#preference.acceleration,
    };
    if (this.#config !== null && sameConfig(this.#config, config)) return;
    this.#decoder ??= this.#createDecoder();
    // What is queued still comes out before.
    this.#decoder.configure(config);
    this.#config = config;
  }

  #createDecoder(): VideoDecoder {
    const decoder = this.#factory.create({
      output: (image) => this.#receivePicture(image),
      error: (error) => {
        if (decoder !== this.#decoder) return;
        if (error.name === TAKEN_BACK) this.#giveDecoderBack();
        else this.#restartDecoder(`fails: ${error.message}`);
      },
    });
    return decoder;
  }

  #decode(frame: ReceivedFrame): void {
    const { header, receivedAtMs } = frame;
    const { pool } = this.#tools;
    if (this.#pending.size >= PENDING_MAX) {
      this.#restartDecoder("swallows pictures");
      return this.#drop(header);
    }
    const overlay = keepOverlay(frame, pool);
    const timestamp = ++this.#lastTimestampUs;
    const type = (header.flags & FRAME_KEYFRAME) === 0 ? "delta" : "key";
    try {
      this.#decoder!.decode(this.#factory.chunk({ type, timestamp, data: payloadOf(frame) }));
    } catch (error) {
      giveOverlayBack(overlay, pool);
      throw error;
    }
    const pushedAtMs = this.#tools.nowMs();
    this.#pending.set(timestamp, { header, overlay, receivedAtMs, pushedAtMs });
  }

  #receivePicture(image: VideoFrame): void {
    this.#failures = 0;
    const { timestamp } = image;
    const pending = this.#pending.get(timestamp);
    // Of a stretch that was given up.
    if (pending === undefined) return image.close();
    const decodedAtMs = this.#tools.nowMs();
    const { pixels } = this.#tools;
    const onRead = (picture: DecodedPicture, free: () => void) =>
      this.#deliver(timestamp, decodedAtMs, picture, free);
    if (pixels === null) return onRead({ kind: "video", image }, () => image.close());
    pixels.read(image, pending.header.width, pending.header.height, onRead);
  }

  #deliver(
    timestamp: number,
    decodedAtMs: number,
    picture: DecodedPicture,
    free: () => void,
  ): void {
    const pending = this.#pending.get(timestamp);
    // Given up while it was read.
    if (pending === undefined) return free();
    for (const [olderTimestamp, older] of this.#pending) {
      this.#pending.delete(olderTimestamp);
      if (olderTimestamp === timestamp) break;
      // Pictures come in order: the decoder has left this one out.
      this.#tools.counters.framesDropped++;
      giveOverlayBack(older.overlay, this.#tools.pool);
    }
    const { header, overlay, receivedAtMs } = pending;
    const { pool, leases } = this.#tools;
    const lease = new FrameLease(leases, "decoder", () => {
      free();
      giveOverlayBack(overlay, pool);
    });
    deliver({ header, picture, overlay, receivedAtMs, decodedAtMs, lease }, this.#sink);
    this.#tellDropped();
  }

  /** Hardware that works on several pictures at once may give one out only when the next has come. */
  #watchHeldBack(): void {
    if (this.#preference.acceleration !== "prefer-hardware" || this.#decoder === null) return;
    const [oldest] = this.#pending.values();
    const heldBack = oldest !== undefined && this.#decoder.decodeQueueSize === 0 &&
      this.#tools.nowMs() - oldest.pushedAtMs > HELD_BACK_MS;
    this.#heldBackFrames = heldBack ? this.#heldBackFrames + 1 : 0;
    if (this.#heldBackFrames >= HELD_BACK_FRAMES) this.#restartDecoder("holds pictures back");
  }

  /** Gives up on this decoder: another one begins with the next keyframe, in software from now on. */
  #restartDecoder(reason: string): void {
    this.#sink.onError(`the video decoder ${reason}`);
    this.#preference.acceleration = "prefer-software";
    this.#tools.counters.restarts++;
    this.#discardDecoder();
    missChain(this.#gate);
    if (++this.#failures >= FAILURES_MAX) this.#sink.onLaneLost(this.lane);
    else this.#askForKeyframe();
  }

  /** It was not at fault, so the next one is of the same kind; the next frame asks for its keyframe. */
  #giveDecoderBack(): void {
    this.#discardDecoder();
    restartGate(this.#gate);
  }

  #discardDecoder(): void {
    if (this.#decoder !== null && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = null;
    this.#config = null;
    this.#heldBackFrames = 0;
    this.#tools.pixels?.restart();
    for (const { header, overlay } of this.#pending.values()) {
      giveOverlayBack(overlay, this.#tools.pool);
      this.#tools.counters.framesDropped++;
      this.#droppedFrame = header.frame;
    }
    this.#pending.clear();
    this.#tellDropped();
  }

  #drop(header: FrameHeader): void {
    this.#tools.counters.framesDropped++;
    this.#droppedFrame = header.frame;
    this.#tellDropped();
  }

  /** An ack covers all older frames: those that the decoder owes go first. */
  #tellDropped(): void {
    if (this.#droppedFrame === 0 || this.#pending.size > 0) return;
    const frame = this.#droppedFrame;
    this.#droppedFrame = 0;
    this.#sink.onDone(frame);
  }

  #askForKeyframe(nowMs = this.#tools.nowMs()): void {
    if (!keyframeIsDue(this.#gate, nowMs)) return;
    this.#tools.counters.keyframeRequests++;
    this.#sink.onKeyframeWanted();
  }
}

function sameConfig(one: VideoDecoderConfig, other: VideoDecoderConfig): boolean {
  return one.codec === other.codec && one.codedWidth === other.codedWidth &&
    one.codedHeight === other.codedHeight &&
    one.hardwareAcceleration === other.hardwareAcceleration;
}
