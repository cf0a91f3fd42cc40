/** Doubles of what the viewer's stages meet in a browser, and frames to feed them. */

import {
  decodeFrameHeader,
  FRAME_KEYFRAME,
  FRAME_PAYLOAD_OFFSET,
  type FrameHeader,
  HEAD_BYTES,
  MessageType,
  PixelFormat,
  writeHead,
} from "../../proto/wire.ts";
import type { DecodedFrame, ReceivedFrame } from "../../viewer/decoded_frame.ts";
import { FrameLease, type LeaseRegistry } from "../../viewer/frame_lease.ts";
import { FramePool } from "../../viewer/frame_pool.ts";
import { type FenceContext, GpuHold } from "../../viewer/gpu_hold.ts";
import type { PipelineCounters, PipelineTools } from "../../viewer/pipeline.ts";
import type { DecoderFactory } from "../../viewer/pipeline_webcodecs.ts";
import type { Renderer } from "../../viewer/renderer.ts";

export const [WIDTH, HEIGHT] = [4, 2];
/** Cells of the overlay that a frame may have. */
const OVERLAY_BYTES = 6;

/** An IDR picture with its parameters, and a picture that follows one: 16 × 16, x264. */
export const KEY_UNIT = Uint8Array.fromHex(
  "000000016742c00ada7b011000000300100000030148f1226a0000000168ce0fc8000000016588843a26280e",
);
export const DELTA_UNIT = Uint8Array.fromHex("00000001419a203294");

export interface FramePlan {
  frame: number;
  format?: number;
  packet?: number;
  isKeyframe?: boolean;
  width?: number;
  overlay?: boolean;
  tMonoNs?: bigint;
  payload?: Uint8Array;
}

/** A frame message in a buffer of the pool. */
export function frameMessage(pool: FramePool, plan: FramePlan): Uint8Array<ArrayBuffer> {
  const { format = PixelFormat.Gray8, isKeyframe = false, width = WIDTH } = plan;
  const encoded = format === PixelFormat.H264
    ? (isKeyframe ? KEY_UNIT : DELTA_UNIT)
    : new Uint8Array(WIDTH * HEIGHT);
  const payload = plan.payload ?? encoded;
  const overlayBytes = plan.overlay ? OVERLAY_BYTES : 0;
  const messageBytes = FRAME_PAYLOAD_OFFSET + payload.byteLength + overlayBytes;
  const bytes = new Uint8Array(pool.take(messageBytes), 0, messageBytes);
  bytes.fill(0, 0, FRAME_PAYLOAD_OFFSET);
  bytes.set(payload, FRAME_PAYLOAD_OFFSET);
  writeHead(bytes, MessageType.Frame, 1);
  const view = new DataView(bytes.buffer, HEAD_BYTES);
  view.setBigUint64(8, BigInt(plan.frame), true);
  view.setBigUint64(40, plan.tMonoNs ?? BigInt(plan.frame) * 10_000_000n, true);
  const words: [offset: number, value: number][] = [
    [56, width],
    [60, HEIGHT],
    [64, format],
    [68, format < PixelFormat.H264 ? width : 0],
    [72, payload.byteLength],
    [76, isKeyframe ? FRAME_KEYFRAME : 0],
    [80, plan.overlay ? 3 : 0],
    [84, plan.overlay ? 2 : 0],
    [92, overlayBytes],
    [96, payload.byteLength],
    [100, plan.packet ?? 0],
  ];
  for (const [offset, value] of words) view.setUint32(offset, value, true);
  return bytes;
}

export function receivedFrame(pool: FramePool, plan: FramePlan): ReceivedFrame {
  const bytes = frameMessage(pool, plan);
  return { bytes, header: decodeFrameHeader(bytes.subarray(HEAD_BYTES)), receivedAtMs: 0 };
}

export function headerOf(plan: FramePlan): FrameHeader {
  return receivedFrame(new FramePool(), plan).header;
}

/** A raw picture, held by the decoder. */
export function decodedFrame(leases: LeaseRegistry, plan: FramePlan): DecodedFrame {
  return {
    header: headerOf(plan),
    picture: { kind: "raw", payload: new Uint8Array(WIDTH * HEIGHT) },
    overlay: new Uint8Array(0),
    receivedAtMs: 0,
    decodedAtMs: null,
    lease: new FrameLease(leases, "decoder", () => {}),
  };
}

export interface TestTools extends PipelineTools {
  counters: PipelineCounters;
  clock: { nowMs: number };
}

export function testTools(): TestTools {
  const clock = { nowMs: 1_000 };
  return {
    pool: new FramePool(),
    leases: { live: 0, opened: 0 },
    pixels: null,
    counters: { framesDropped: 0, restarts: 0, keyframeRequests: 0 },
    clock,
    nowMs: () => clock.nowMs,
  };
}

/** Stands for VideoFrame and ImageBitmap: counts those that are open. */
export class PictureDouble {
  static open = 0;
  isOpen = true;

  constructor(readonly timestamp: number) {
    PictureDouble.open++;
  }

  close(): void {
    if (this.isOpen) PictureDouble.open--;
    this.isOpen = false;
  }
}

/** Stands for VideoDecoder: decodes when told to, and keeps to the states of the specification. */
export class VideoDecoderDouble {
  state: CodecState = "unconfigured";
  readonly configs: VideoDecoderConfig[] = [];
  readonly decoded: EncodedVideoChunkType[] = [];
  /** Timestamps that have not come out. */
  readonly queue: number[] = [];
  /** Chunks that were not begun. */
  decodeQueueSize = 0;
  #needsKeyframe = true;

  constructor(readonly init: VideoDecoderInit) {}

  configure(config: VideoDecoderConfig): void {
    if (this.state === "closed") throw new DOMException("it is closed", "InvalidStateError");
    this.state = "configured";
    this.configs.push(config);
    this.#needsKeyframe = true;
  }

  decode({ type, timestamp }: EncodedVideoChunkInit): void {
    if (this.state !== "configured") {
      throw new DOMException("it is not configured", "InvalidStateError");
    }
    if (this.#needsKeyframe && type !== "key") {
      throw new DOMException("a key frame is required", "DataError");
    }
    this.#needsKeyframe = false;
    this.decoded.push(type);
    this.queue.push(timestamp);
  }

  /** Gives out the oldest pictures, all of them as a rule. */
  output(count = this.queue.length): void {
    for (const timestamp of this.queue.splice(0, count)) {
      this.init.output(new PictureDouble(timestamp) as unknown as VideoFrame);
    }
  }

  fail(message: string, name = "EncodingError"): void {
    if (this.state === "closed") return;
    this.close();
    this.init.error(new DOMException(message, name));
  }

  close(): void {
    if (this.state === "closed") throw new DOMException("it is closed", "InvalidStateError");
    this.state = "closed";
    this.queue.length = 0;
  }
}

/** Stands for createImageBitmap: decodes the oldest picture when told to. */
export class BitmapDecoderDouble {
  readonly #begun: PromiseWithResolvers<ImageBitmap>[] = [];
  /** Pictures whose decoding was begun. */
  begun = 0;

  readonly decode = (): Promise<ImageBitmap> => {
    const promise = Promise.withResolvers<ImageBitmap>();
    this.#begun.push(promise);
    this.begun++;
    return promise.promise;
  };

  get busy(): boolean {
    return this.#begun.length > 0;
  }

  /** Resolves when all that follows from it has happened. */
  output(): Promise<void> {
    this.#begun.shift()?.resolve(new PictureDouble(0) as unknown as ImageBitmap);
    return new Promise((resolve) => setTimeout(resolve));
  }

  fail(message: string): Promise<void> {
    this.#begun.shift()?.reject(new DOMException(message, "InvalidStateError"));
    return new Promise((resolve) => setTimeout(resolve));
  }
}

/** Makes decoders and remembers them. */
export function decoderFactory(): DecoderFactory & { decoders: VideoDecoderDouble[] } {
  const decoders: VideoDecoderDouble[] = [];
  return {
    decoders,
    create(init) {
      const decoder = new VideoDecoderDouble(init);
      decoders.push(decoder);
      return decoder as unknown as VideoDecoder;
    },
    chunk: (init) => init as unknown as EncodedVideoChunk,
  };
}

/** Stands for the fences of WebGL: they pass when told to. */
export class FenceDouble implements FenceContext {
  readonly open = new Set<WebGLSync>();
  readonly #passed = new Set<WebGLSync>();

  fenceSync(): WebGLSync {
    const fence = {} as WebGLSync;
    this.open.add(fence);
    return fence;
  }

  clientWaitSync(fence: WebGLSync): GLenum {
    const [ALREADY_SIGNALED, TIMEOUT_EXPIRED] = [0x911a, 0x911b];
    return this.#passed.has(fence) ? ALREADY_SIGNALED : TIMEOUT_EXPIRED;
  }

  deleteSync(fence: WebGLSync | null): void {
    if (fence !== null) this.open.delete(fence);
  }

  pass(): void {
    for (const fence of this.open) this.#passed.add(fence);
  }
}

/** Stands for a renderer on a graphics device. */
export class RendererDouble implements Renderer {
  readonly kind = "webgl";
  readonly gl = new FenceDouble();
  readonly hold = new GpuHold(this.gl);
  readonly drawn: number[] = [];
  contextLost = false;
  /** Pictures wait until the device has done with the one before. */
  deviceIsSlow = false;
  /** Message of the error with which the next draws fail. */
  failure: string | null = null;

  draw({ header, lease }: DecodedFrame): void {
    if (this.failure !== null) throw new Error(this.failure);
    this.drawn.push(header.frame);
    this.hold.hold(lease);
  }

  get isBusy(): boolean {
    return this.deviceIsSlow && this.hold.isBusy;
  }

  tick(): void {
    this.hold.poll();
  }

  readPixels(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(WIDTH * HEIGHT * 4);
  }

  loseContext(): void {
    this.contextLost = true;
    this.hold.releaseAll();
  }
}

/** One timer, run by the test. */
export class TimerDouble {
  #due: { atMs: number; run: () => void } | null = null;
  /** How often it was set. */
  sets = 0;

  constructor(readonly clock: { nowMs: number }) {}

  readonly wakeAfter = (delayMs: number, run: () => void): () => void => {
    const due = this.#due = { atMs: this.clock.nowMs + delayMs, run };
    this.sets++;
    return () => {
      if (this.#due === due) this.#due = null;
    };
  };

  get atMs(): number | null {
    return this.#due?.atMs ?? null;
  }

  /** Lets time pass until `atMs`. */
  advanceTo(atMs: number): void {
    while (this.#due !== null && this.#due.atMs <= atMs) {
      const { atMs: dueAtMs, run } = this.#due;
      this.#due = null;
      this.clock.nowMs = Math.max(this.clock.nowMs, dueAtMs);
      run();
    }
    this.clock.nowMs = atMs;
  }
}
