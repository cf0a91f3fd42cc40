/** Pictures by gRPC: the newest one wins. None waits in a queue; one that cannot be sent at once gives way to the next. */

import { create, toBinary } from "@bufbuild/protobuf";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  PixelFormat,
  PublishFramesRequestSchema,
  type PublishFramesResponse,
  PublishService,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import type { Channel } from "./channel.ts";
import { monotonicNs, unixNs } from "./clock.ts";
import type { Opening } from "./kinds.ts";
import type { HudNumbers } from "./meter.ts";

/** Until the server has said how many it takes. */
const IN_FLIGHT_AT_START = 1;
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;

export const FRAME_FORMATS = {
  rgb8: PixelFormat.RGB8,
  rgba8: PixelFormat.RGBA8,
  bgra8: PixelFormat.BGRA8,
  gray8: PixelFormat.GRAY8,
  nv12: PixelFormat.NV12,
  i420: PixelFormat.I420,
  h264: PixelFormat.H264,
  jpeg: PixelFormat.JPEG,
} as const;
export type FrameFormat = keyof typeof FRAME_FORMATS;

/** A picture. Its bytes may be used again once `frame` has returned. */
export interface FrameInit {
  /** Rows of pixels (planes one after another), an access unit in Annex-B, or a JPEG. */
  pixels: Uint8Array;
  width: number;
  height: number;
  format?: FrameFormat;
  /** Bytes per row of plane 0; without it there is no padding. */
  stride?: number;
  /** h264: it can be decoded without those before it. */
  keyframe?: boolean;
  step?: number | bigint;
  episode?: number | bigint;
  reward?: number;
  /** A heat map over the picture: width * height bytes. */
  overlay?: { heat: Uint8Array; width: number; height: number };
}

export interface NumberedFrame extends FrameInit {
  step: bigint;
  episode: bigint;
  hud: HudNumbers;
}

const BYTES_PER_PIXEL: Partial<Record<FrameFormat, number>> = {
  rgb8: 3,
  rgba8: 4,
  bgra8: 4,
  gray8: 1,
  nv12: 1,
  i420: 1,
};

/** Bytes per row of plane 0; 0 for encoded formats. Throws for a picture that is not what it says. */
export function strideOf(frame: FrameInit): number {
  const { width, height, format = "rgb8", pixels } = frame;
  const isSize = (value: number) => Number.isInteger(value) && value > 0 && value <= 16_384;
  if (!isSize(width) || !isSize(height)) {
    throw new RangeError(`the picture is ${width} × ${height}; expected 1 to 16384 pixels`);
  }
  if (!(format in FRAME_FORMATS)) throw new TypeError(`there is no pixel format "${format}"`);
  if (pixels.byteLength === 0 || pixels.byteLength > FRAME_BYTES_MAX) {
    throw new RangeError(`the picture has ${pixels.byteLength} bytes; expected 1 to 64 MiB`);
  }
  const pixelBytes = BYTES_PER_PIXEL[format];
  if (pixelBytes === undefined) return 0;
  const stride = frame.stride ?? width * pixelBytes;
  const halfRows = Math.ceil(height / 2);
  const chroma = format === "nv12"
    ? stride * halfRows
    : format === "i420"
    ? 2 * Math.ceil(stride / 2) * halfRows
    : 0;
  const expected = stride * height + chroma;
  if (stride < width * pixelBytes || pixels.byteLength < expected) {
    throw new RangeError(
      `${format} of ${width} × ${height} with rows of ${stride} bytes takes ${expected} bytes; the picture has ${pixels.byteLength}`,
    );
  }
  return stride;
}

export class FrameCall {
  readonly #opening: Opening;
  readonly #call: ClientDuplexStream<Uint8Array, PublishFramesResponse>;
  #next: NumberedFrame | null = null;
  #sent = 0;
  #taken = 0;
  #inFlightMax = IN_FLIGHT_AT_START;
  #blocked = false;
  /** A chain of H.264 was broken by a picture that gave way. */
  #needsKeyframe = false;
  isOver = false;
  #isClosed = false;
  /** Pictures that gave way to a newer one. */
  skipped = 0;

  constructor(channel: Channel, opening: Opening) {
    this.#opening = opening;
    this.#call = channel.open(PublishService.method.publishFrames);
    this.#call.on("data", ({ taken, framesInFlightMax }: PublishFramesResponse) => {
      this.#taken = Math.max(this.#taken, Number(taken));
      if (framesInFlightMax > 0) this.#inFlightMax = framesInFlightMax;
      this.#pump();
    });
    this.#call.on("drain", () => {
      this.#blocked = false;
      this.#pump();
    });
    this.#call.on("error", () => this.isOver = true);
    this.#call.on("end", () => this.isOver = true);
  }

  get sent(): number {
    return this.#sent;
  }

  /** Sends the picture, or keeps a copy until there is room, or until a newer one comes. */
  offer(frame: NumberedFrame): void {
    if (this.isOver) return;
    if (frame.format === "h264") {
      if (this.#next !== null) this.#needsKeyframe = true;
      if (this.#needsKeyframe && !frame.keyframe) {
        this.skipped++;
        return;
      }
    }
    if (this.#next !== null) this.skipped++;
    this.#needsKeyframe = false;
    this.#next = frame;
    this.#pump();
    // The caller may use the bytes again now.
    if (this.#next !== null) this.#next = { ...frame, pixels: frame.pixels.slice() };
  }

  #pump(): void {
    const frame = this.#next;
    if (frame === null || this.#blocked || this.#sent - this.#taken >= this.#inFlightMax) return;
    this.#next = null;
    const { format = "rgb8" } = frame;
    const request = create(PublishFramesRequestSchema, {
      frame: {
        number: BigInt(this.#sent + 1),
        step: frame.step,
        episode: frame.episode,
        reward: frame.reward ?? 0,
        timeMonoNs: monotonicNs(),
        timeUnixNs: BigInt.asUintN(64, unixNs()),
        width: frame.width,
        height: frame.height,
        format: FRAME_FORMATS[format],
        stride: strideOf(frame),
        keyframe: frame.keyframe ?? false,
        payload: frame.pixels as Uint8Array<ArrayBuffer>,
        hud: frame.hud,
        ...(frame.overlay === undefined
          ? {}
          : { overlay: { ...frame.overlay, heat: frame.overlay.heat as Uint8Array<ArrayBuffer> } }),
      },
      ...(this.#sent === 0 ? { open: this.#opening } : {}),
    });
    this.#sent++;
    this.#blocked = !this.#call.write(toBinary(PublishFramesRequestSchema, request));
  }

  /** Half-closes the call: the server ends it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = this.isOver = true;
    this.#next = null;
    this.#call.end();
  }
}
