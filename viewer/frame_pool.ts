/**
 * Buffers that frames are received into, kept and used again: a picture of 60 frames a second makes no garbage.
 *
 * Three are in use at most: one being filled, one waiting to be drawn, one on the screen.
 */

const BUFFERS_KEPT_MAX = 3;
/** Sizes are rounded up, so that overlays that come and go do not change the buffer. */
const ROUND_BYTES = 64 * 1024;

export class FramePool {
  #free: ArrayBuffer[] = [];
  #buffersMade = 0;

  /** A buffer of at least `bytes`, whose content is whatever was there before. */
  take(bytes: number): ArrayBuffer {
    const wantedBytes = Math.ceil(bytes / ROUND_BYTES) * ROUND_BYTES;
    const index = this.#free.findIndex((buffer) => buffer.byteLength === wantedBytes);
    if (index >= 0) return this.#free.splice(index, 1)[0]!;
    this.#buffersMade++;
    return new ArrayBuffer(wantedBytes);
  }

  /** Gives back a buffer that {@link take} made; the caller must not touch it again. Others are left to the collector. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === 0 || buffer.byteLength % ROUND_BYTES !== 0) return;
    if (this.#free.length === BUFFERS_KEPT_MAX) this.#free.shift();
    this.#free.push(buffer);
  }

  /** How many buffers were ever allocated. */
  get buffersMade(): number {
    return this.#buffersMade;
  }
}
