/**
 * Frames of one ring for many viewers. The newest is read once a pass: the first viewer that takes it gets the buffer,
 * the others get copies, since each message carries its viewer's own stamp.
 */

import { ReadMode } from "../ffi/reader.ts";
import type { Attachment } from "./attachment.ts";
import { type FrameBuffer, FramePool } from "./frame_pool.ts";
import type { Pacer } from "./pacer.ts";

export class FrameSource {
  readonly pool = new FramePool();
  readonly #onRead: () => void;
  #newest: FrameBuffer | null = null;
  #newestTaken = false;
  #headFrame = 0;

  /** `onRead` is called for each frame read from the ring. */
  constructor(onRead: () => void) {
    this.#onRead = onRead;
  }

  /** Number of the newest frame known to be in the ring. */
  get headFrame(): number {
    return this.#headFrame;
  }

  sawHead(frame: number): void {
    this.#headFrame = Math.max(this.#headFrame, frame);
  }

  /** The viewer's next frame, in a buffer that is the caller's until it goes back to the pool; null without one. */
  take(attachment: Attachment, pacer: Pacer): FrameBuffer | null {
    const inOrder = !pacer.settings.stayLive && pacer.lastFrame > 0;
    if (inOrder) {
      const next = attachment.read(pacer.afterFrame, ReadMode.Next, this.pool);
      if (next === "none") return null;
      // A viewer that was lapped goes on with the newest.
      if (next !== "stale") return this.#wasRead(next);
    }
    return this.takeNewest(attachment, pacer.afterFrame);
  }

  /** The newest frame if its number is over `afterFrame`. */
  takeNewest(attachment: Attachment, afterFrame: number): FrameBuffer | null {
    if (this.#newest === null) {
      const read = attachment.read(afterFrame, ReadMode.Newest, this.pool);
      if (typeof read === "string") return null;
      this.#newest = this.#wasRead(read);
    }
    const newest = this.#newest;
    if (newest.frame <= afterFrame) return null;
    if (!this.#newestTaken) {
      this.#newestTaken = true;
      return newest;
    }
    return this.pool.copy(newest);
  }

  /** The frame was not sent after all. */
  putBack(buffer: FrameBuffer): void {
    if (buffer === this.#newest) this.#newestTaken = false;
    else this.pool.give(buffer);
  }

  #wasRead(buffer: FrameBuffer): FrameBuffer {
    this.#onRead();
    this.sawHead(buffer.frame);
    return buffer;
  }

  /** The next pass reads anew. */
  endPass(): void {
    if (this.#newest !== null && !this.#newestTaken) this.pool.give(this.#newest);
    this.#newest = null;
    this.#newestTaken = false;
  }
}
