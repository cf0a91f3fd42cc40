/** What one viewer can decode: after a packet that it was not sent, nothing but a keyframe. */
export class KeyframeGate {
  #lastPacket = 0;
  #closed = true;

  /** Whether this viewer's picture cannot go on without a keyframe. */
  get needsKeyframe(): boolean {
    return this.#closed;
  }

  /** A packet is there, and the viewer has room for it or not. Returns whether it is to be sent. */
  offer(packet: number, keyframe: boolean, room: boolean): boolean {
    const follows = keyframe || (!this.#closed && packet === this.#lastPacket + 1);
    this.#closed = !(follows && room);
    if (!this.#closed) this.#lastPacket = packet;
    return !this.#closed;
  }

  /** The viewer's decoder has lost the thread, or another stream follows. */
  close(): void {
    this.#closed = true;
  }
}
