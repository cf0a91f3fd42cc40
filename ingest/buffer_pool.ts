/** Buffers for columns, used again and again: a new array costs twice what copying into it does. */

/** Of each size that is kept. */
const KEPT_MAX = 64;
/** Larger ones are rare, and not kept. */
const KEPT_BYTES_MAX = 256 * 1024;

export class BufferPool {
  readonly #kept = new Map<number, ArrayBuffer[]>();

  /** Its bytes may be anything. */
  take(bytes: number): ArrayBuffer {
    return this.#kept.get(bytes)?.pop() ?? new ArrayBuffer(bytes);
  }

  give(buffer: ArrayBuffer): void {
    const { byteLength } = buffer;
    if (byteLength === 0 || byteLength > KEPT_BYTES_MAX) return;
    const kept = this.#kept.get(byteLength) ?? [];
    if (kept.length < KEPT_MAX) kept.push(buffer);
    this.#kept.set(byteLength, kept);
  }
}
