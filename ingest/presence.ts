/** Which runs have a client: one that says nothing more, and never said that it ended, is lost after a while. */

export interface PresenceOptions {
  /** How long a run may be without a client. */
  absentMsMax: number;
  onLost: (runId: string) => void;
}

export class Presence implements Disposable {
  readonly #options: PresenceOptions;
  readonly #clients = new Map<string, number>();
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** A client of this run is there until what is returned is disposed. */
  enter(runId: string): Disposable {
    this.#clients.set(runId, (this.#clients.get(runId) ?? 0) + 1);
    this.#clearTimer(runId);
    let left = false;
    return {
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        this.#leave(runId);
      },
    };
  }

  has(runId: string): boolean {
    return this.#clients.has(runId);
  }

  /** The run is known to be going on: unless a client comes, or has come, it is lost after the time. */
  expect(runId: string): void {
    if (this.has(runId)) return;
    this.#clearTimer(runId);
    const timer = setTimeout(() => {
      this.#timers.delete(runId);
      this.#options.onLost(runId);
    }, this.#options.absentMsMax);
    this.#timers.set(runId, timer);
  }

  /** The run has ended, as its client said, or is deleted. */
  forget(runId: string): void {
    this.#clearTimer(runId);
  }

  [Symbol.dispose](): void {
    for (const runId of [...this.#timers.keys()]) this.#clearTimer(runId);
  }

  #leave(runId: string): void {
    const left = this.#clients.get(runId)! - 1;
    if (left > 0) return void this.#clients.set(runId, left);
    this.#clients.delete(runId);
    this.expect(runId);
  }

  #clearTimer(runId: string): void {
    clearTimeout(this.#timers.get(runId));
    this.#timers.delete(runId);
  }
}
