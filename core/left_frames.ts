/**
 * Frames of one session whose subscription ended before they were written. The transport still holds them, so that no
 * other frame of the session begins until they have left: else a viewer that reads nothing, and subscribes again and
 * again, would have the server hold a frame for each time. At most one per subscription can be here at once.
 */
export class LeftFrames {
  readonly #onWritten: () => void;
  #count = 0;

  /** `onWritten` is called when the last of them has left. */
  constructor(onWritten: () => void) {
    this.#onWritten = onWritten;
  }

  get any(): boolean {
    return this.#count > 0;
  }

  leave(): void {
    this.#count++;
  }

  written(): void {
    if (--this.#count === 0) this.#onWritten();
  }
}
