/**
 * When rows are committed: as soon as there are enough of them or the oldest has waited long enough, and the store has
 * nothing to do. While it is busy, more gather, and go together.
 */

export interface BatcherOptions {
  /** Rows that are committed at once, without waiting for more. */
  records: number;
  /** The longest that fewer rows wait, ms. */
  waitMs: number;
  /** Takes what waits, up to {@link ROWS_PER_COMMIT_MAX} rows, to the store. Returns the number of rows. */
  flush: () => number;
}

/** A transaction that is much larger is no faster, and delays those that wait behind it. */
export const ROWS_PER_COMMIT_MAX = 8_192;
/** So many rows are worth a second commit that waits for the first: the store finds it there when it is done. */
const ROWS_AHEAD_MIN = 2_048;
const COMMITS_IN_FLIGHT_MAX = 2;

export class Batcher {
  readonly #options: BatcherOptions;
  #rowsWaiting = 0;
  #inFlight = 0;
  /** The oldest row has waited long enough. */
  #due = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  get rowsWaiting(): number {
    return this.#rowsWaiting;
  }

  get idle(): boolean {
    return this.#rowsWaiting === 0 && this.#inFlight === 0;
  }

  /** Rows have come. */
  add(rows: number): void {
    if (this.#rowsWaiting === 0) this.#startTimer();
    this.#rowsWaiting += rows;
    this.#flushIfDue();
  }

  /** Somebody cannot wait for others. */
  hurry(): void {
    this.#due = true;
    this.#flushIfDue();
  }

  /** The store is done with what was flushed first. */
  committed(): void {
    this.#inFlight--;
    this.#flushIfDue();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #startTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#due = true;
      this.#flushIfDue();
    }, this.#options.waitMs);
  }

  #flushIfDue(): void {
    while (this.#rowsWaiting > 0 && this.#mayFlush()) {
      this.#rowsWaiting -= this.#options.flush();
      this.#inFlight++;
      this.#due = false;
      if (this.#rowsWaiting > 0) this.#startTimer();
      else clearTimeout(this.#timer);
    }
  }

  #mayFlush(): boolean {
    if (this.#inFlight === 0) return this.#due || this.#rowsWaiting >= this.#options.records;
    return this.#inFlight < COMMITS_IN_FLIGHT_MAX && this.#rowsWaiting >= ROWS_AHEAD_MIN;
  }
}
