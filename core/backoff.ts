/** How soon a process is started again that has ended: at once after a long life, ever more slowly after short ones. */

import { pause } from "./pause.ts";

export interface BackoffOptions {
  /** After a long life, and after the first short one. */
  firstMs: number;
  maxMs: number;
  /** A life of this length was a long one. */
  wellMs: number;
  /** From 0 to 1 (not included). */
  random: () => number;
}

/** Delays double, and vary by so much to both sides: those that died together do not come again together. */
const JITTER = 0.2;

export class Backoff {
  readonly #options: BackoffOptions;
  #shortLives = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Lives one after another that were short. */
  get shortLives(): number {
    return this.#shortLives;
  }

  /** Returns the time to the next start, ms. */
  afterLife(livedMs: number): number {
    const { firstMs, maxMs, wellMs, random } = this.#options;
    this.#shortLives = livedMs >= wellMs ? 0 : this.#shortLives + 1;
    if (this.#shortLives <= 1) return firstMs;
    const doubledMs = Math.min(firstMs * 2 ** (this.#shortLives - 1), maxMs);
    return Math.round(doubledMs * (1 + JITTER * (2 * random() - 1)));
  }

  /** A person says that it is well now. */
  forget(): void {
    this.#shortLives = 0;
  }
}

/** Runs it again and again until the signal comes. */
export async function keepRunning(
  { backoff, signal, runOnce, onEnd }: {
    backoff: Backoff;
    signal: AbortSignal;
    /** Resolves to how it ended, in words. */
    runOnce: () => Promise<string>;
    /** It starts again in so long. */
    onEnd: (end: string, restartMs: number) => void;
  },
): Promise<void> {
  while (!signal.aborted) {
    const startedAtMs = performance.now();
    const end = await runOnce();
    if (signal.aborted) return;
    const restartMs = backoff.afterLife(performance.now() - startedAtMs);
    onEnd(end, restartMs);
    await pause(restartMs, signal);
  }
}
