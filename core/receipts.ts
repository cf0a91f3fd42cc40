/** Commands that wait until the worker has taken their event from the ring. */

/** A worker looks at its input at every step; one that has not by then is told of as late. */
export const RECEIPT_MS_MAX = 2_000;

interface Receipt {
  /** Events in the ring up to and with the command's. */
  written: number;
  givenUpAtMs: number;
  answer: (taken: boolean) => void;
}

/**
 * In the order of the ring, so that the first that is not taken ends the search. As many as the ring holds events: one
 * that has not been taken has a place there, and the ring refuses what finds none.
 */
export class Receipts {
  readonly #nowMs: () => number;
  readonly #waiting: Receipt[] = [];

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Whether anybody waits, so that the ring need not be asked otherwise. */
  get any(): boolean {
    return this.#waiting.length > 0;
  }

  /** `answer` is called once: with true when the worker has taken `written` events, with false when it is late. */
  expect(written: number, answer: (taken: boolean) => void): void {
    this.#waiting.push({ written, givenUpAtMs: this.#nowMs() + RECEIPT_MS_MAX, answer });
  }

  /** The worker has taken so many events by now. */
  settle(taken: number): void {
    const nowMs = this.#nowMs();
    while (this.#waiting.length > 0) {
      const { written, givenUpAtMs, answer } = this.#waiting[0]!;
      if (written > taken && nowMs < givenUpAtMs) return;
      this.#waiting.shift();
      answer(written <= taken);
    }
  }

  /** The ring is gone: nobody takes anything from it. */
  giveUp(): void {
    for (const { answer } of this.#waiting.splice(0)) answer(false);
  }
}
