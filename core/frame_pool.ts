/** Buffers for frame messages, kept: a copy into new memory takes twice as long as one into a kept buffer. */

import {
  FRAME_HEADER_BYTES,
  FRAME_KEYFRAME,
  FrameOffset,
  HEAD_BYTES,
  PixelFormat,
} from "../proto/wire.ts";

/** Free buffers kept per pool; what comes back beyond them is left to the garbage collector. */
const FREE_BUFFERS_MAX = 4;
/** Buffers grow in these steps, so that frames of changing size do not each need a new one. */
const BUFFER_BYTES_STEP = 64 * 1024;

/** Room for one frame message: the message's head, then a frame as the ring's reader copies it. */
export class FrameBuffer {
  /** The whole room. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the ring's reader writes. */
  readonly slot: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  /** Length of the message in it. */
  messageBytes = 0;

  constructor(bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax);
    this.slot = this.bytes.subarray(HEAD_BYTES);
    this.#view = new DataView(this.bytes.buffer);
  }

  get message(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.messageBytes);
  }

  /** Number of the frame in it. */
  get frame(): number {
    return Number(this.#view.getBigUint64(HEAD_BYTES + FrameOffset.frame, true));
  }

  /** Pixels. */
  get width(): number {
    return this.#u32(FrameOffset.width);
  }

  /** Pixels. */
  get height(): number {
    return this.#u32(FrameOffset.height);
  }

  get format(): number {
    return this.#u32(FrameOffset.format);
  }

  /** It can be decoded without another; every JPEG can. */
  get keyframe(): boolean {
    return this.format === PixelFormat.Jpeg ||
      (this.#u32(FrameOffset.flags) & FRAME_KEYFRAME) !== 0;
  }

  /** Number of the packet in its stream's output. */
  get packet(): number {
    return this.#u32(FrameOffset.packet);
  }

  /** CLOCK_MONOTONIC when the packet was ready. */
  get encodedNs(): bigint {
    return this.#view.getBigUint64(HEAD_BYTES + FrameOffset.tEncodedNs, true);
  }

  #u32(offset: number): number {
    return this.#view.getUint32(HEAD_BYTES + offset, true);
  }
}

export class FramePool {
  readonly #free: FrameBuffer[] = [];
  /** What the largest frame so far needed. */
  #bytesMax = HEAD_BYTES + FRAME_HEADER_BYTES;

  /** A buffer for a message of `messageBytes`, or of the largest size so far when that is more. */
  take(messageBytes = 0): FrameBuffer {
    if (messageBytes > this.#bytesMax) {
      this.#bytesMax = Math.ceil(messageBytes / BUFFER_BYTES_STEP) * BUFFER_BYTES_STEP;
      this.#free.length = 0;
    }
    return this.#free.pop() ?? new FrameBuffer(this.#bytesMax);
  }

  copy(original: FrameBuffer): FrameBuffer {
    const copy = this.take(original.messageBytes);
    copy.bytes.set(original.message);
    copy.messageBytes = original.messageBytes;
    return copy;
  }

  give(buffer: FrameBuffer): void {
    const fits = buffer.bytes.byteLength === this.#bytesMax;
    if (fits && this.#free.length < FREE_BUFFERS_MAX) this.#free.push(buffer);
  }
}
