/**
 * Buffers that frames are received into, kept and used again: a picture of 60 frames a second makes no garbage.
 *
 * Three are in use as a rule: one being filled, one waiting to be drawn, one on the screen. More are while frames wait
 * for their time, and they are small or few.
 */

/** So many are kept whatever their size; more only while all of them together are small. */
const BUFFERS_KEPT_MIN = 3;
const KEPT_BYTES_MAX = 8 * 1024 * 1024;
/** Sizes are rounded up, so that packets and overlays that grow and shrink do not change the buffer. */
const ROUND_BYTES = 64 * 1024;

export class FramePool {
  readonly #free: ArrayBuffer[] = [];
  #freeBytes = 0;
  #buffersMade = 0;

  /** A buffer of at least `bytes`, whose content is whatever was there before. */
  take(bytes: number): ArrayBuffer {
    const wantedBytes = Math.ceil(bytes / ROUND_BYTES) * ROUND_BYTES;
    // The one that was used last is still in the processor's cache.
    const index = this.#free.findLastIndex((buffer) => buffer.byteLength === wantedBytes);
    if (index >= 0) {
      this.#freeBytes -= wantedBytes;
      return this.#free.splice(index, 1)[0]!;
    }
    this.#buffersMade++;
    return new ArrayBuffer(wantedBytes);
  }

  /** Gives back a buffer that {@link take} made; the caller must not touch it again. Others are left to the collector. */
  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === 0 || buffer.byteLength % ROUND_BYTES !== 0) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.byteLength;
    while (this.#free.length > BUFFERS_KEPT_MIN && this.#freeBytes > KEPT_BYTES_MAX) {
      this.#freeBytes -= this.#free.shift()!.byteLength;
    }
  }

  /** How many buffers were ever allocated. */
  get buffersMade(): number {
    return this.#buffersMade;
  }
}
