/**
 * Leads each frame of a subscription to the pipeline of its format. The server may change the lane in the middle: the
 * pipeline that was in use stays warm until the other has given its first picture, and a while longer, since a run whose
 * size wavers comes back.
 */

import { type LaneKind, PixelFormat } from "../proto/wire.ts";
import type { DecodedFrame, ReceivedFrame } from "./decoded_frame.ts";
import type { Pipeline, PipelineSink } from "./pipeline.ts";

/** How long a pipeline is kept that nothing comes for. */
const GRACE_MS = 2_000;

export type PipelineMaker = (sink: PipelineSink) => Pipeline;

interface Way {
  pipeline: Pipeline;
  /** When the pipeline that took over gave its first picture; null while this one is in use or not yet replaced. */
  replacedAtMs: number | null;
}

/** The last picture that was let through. */
interface Position {
  frame: number;
  tMonoNs: bigint;
}

export class SourceMux {
  readonly #makers: Readonly<Record<LaneKind, PipelineMaker>>;
  readonly #sink: PipelineSink;
  readonly #nowMs: () => number;
  readonly #ways = new Map<LaneKind, Way>();
  #lane: LaneKind | null = null;
  #position: Position | null = null;
  /** Pictures that came out behind a newer one of another pipeline. */
  framesOvertaken = 0;

  constructor(
    makers: Readonly<Record<LaneKind, PipelineMaker>>,
    sink: PipelineSink,
    nowMs: () => number,
  ) {
    this.#makers = makers;
    this.#sink = sink;
    this.#nowMs = nowMs;
  }

  /** The pipeline that the newest frame went to; null before the first. */
  get active(): Pipeline | null {
    return this.#lane === null ? null : this.#ways.get(this.#lane)!.pipeline;
  }

  /** How many pipelines are open. */
  get pipelinesOpen(): number {
    return this.#ways.size;
  }

  /** Takes a frame and owns its bytes from now on. */
  push(frame: ReceivedFrame): void {
    const lane = laneOf(frame.header.format);
    this.#lane = lane;
    let way = this.#ways.get(lane);
    if (way === undefined) {
      way = { pipeline: this.#makers[lane](this.#sinkOf(lane)), replacedAtMs: null };
      this.#ways.set(lane, way);
    }
    way.replacedAtMs = null;
    way.pipeline.push(frame);
  }

  /** Another subscription: what is on its way is not wanted any more. */
  restart(): void {
    this.#position = null;
    this.framesOvertaken = 0;
    for (const { pipeline } of this.#ways.values()) pipeline.restart();
  }

  /** Another producer, perhaps with another clock. */
  forgetPosition(): void {
    this.#position = null;
  }

  /** Frames come and no pictures. */
  kick(): void {
    this.active?.kick();
  }

  tick(nowMs: number): void {
    for (const [lane, { pipeline, replacedAtMs }] of this.#ways) {
      // One that is kept warm asks for no keyframe.
      if (lane === this.#lane) pipeline.tick(nowMs);
      if (replacedAtMs === null || nowMs - replacedAtMs < GRACE_MS) continue;
      pipeline.close();
      this.#ways.delete(lane);
    }
  }

  close(): void {
    for (const { pipeline } of this.#ways.values()) pipeline.close();
    this.#ways.clear();
    this.#lane = null;
  }

  #sinkOf(lane: LaneKind): PipelineSink {
    const { onDone, onError, onKeyframeWanted, onLaneLost } = this.#sink;
    return {
      onPicture: (frame) => this.#receivePicture(lane, frame),
      onDone,
      onError,
      onKeyframeWanted: () => lane === this.#lane && onKeyframeWanted(),
      onLaneLost,
    };
  }

  #receivePicture(lane: LaneKind, frame: DecodedFrame): void {
    if (lane === this.#lane) {
      for (const [other, way] of this.#ways) {
        if (other !== lane) way.replacedAtMs ??= this.#nowMs();
      }
    }
    if (!this.#advances(frame)) {
      this.framesOvertaken++;
      return;
    }
    const { header: { frame: number, tMonoNs } } = frame;
    this.#position = { frame: number, tMonoNs };
    this.#sink.onPicture(frame);
  }

  /**
   * Whether a picture is not older than the last one. Its stamp decides before its number: a new producer counts from 1
   * again, and its first frame may come before the news of it, or while pictures of the old one are being decoded.
   */
  #advances({ header: { frame, tMonoNs } }: DecodedFrame): boolean {
    const position = this.#position;
    if (position === null || tMonoNs > position.tMonoNs) return true;
    return tMonoNs === position.tMonoNs && frame >= position.frame;
  }
}

function laneOf(format: number): LaneKind {
  if (format === PixelFormat.H264) return "h264";
  return format === PixelFormat.Jpeg ? "jpeg" : "raw";
}
