/**
 * The offset between the page's clock and the server's CLOCK_MONOTONIC, from probes answered by the server.
 *
 * Each probe bounds the offset to half its round trip (Cristian, "Probabilistic clock synchronization", 1989). The
 * best sample of a window is the one with the smallest bound now: half its round trip plus what two free-running
 * quartz clocks may have drifted apart since.
 */

/** Two ordinary quartz clocks differ by less than this, in parts of one. */
const DRIFT_MAX = 100e-6;
/** Older samples say nothing that newer ones do not. */
const WINDOW_MS = 30_000;
const SAMPLES_MAX = 64;

interface ClockSample {
  sampledAtMs: number;
  offsetMs: number;
  roundTripMs: number;
}

/** All times are ms: `page` is performance.now() of the worker, `server` is CLOCK_MONOTONIC of the server. */
export class ServerClock {
  #samples: ClockSample[] = [];
  #best: ClockSample | null = null;

  /** Forgets everything: another server answers from now on. */
  reset(): void {
    this.#samples = [];
    this.#best = null;
  }

  /** Takes the answer to a probe that left at `sentAtMs` and came back at `receivedAtMs`. */
  addSample(sentAtMs: number, receivedAtMs: number, serverMs: number): void {
    const roundTripMs = receivedAtMs - sentAtMs;
    if (roundTripMs < 0) return;
    this.#samples.push({
      sampledAtMs: receivedAtMs,
      offsetMs: serverMs - (sentAtMs + receivedAtMs) / 2,
      roundTripMs,
    });
    const oldestMs = receivedAtMs - WINDOW_MS;
    while (this.#samples.length > SAMPLES_MAX || this.#samples[0]!.sampledAtMs < oldestMs) {
      this.#samples.shift();
    }
    this.#best = this.#samples.reduce((best, sample) =>
      errorMs(sample, receivedAtMs) <= errorMs(best, receivedAtMs) ? sample : best
    );
  }

  /** The server's clock at `pageMs`, or null before the first answer. */
  serverMsAt(pageMs: number): number | null {
    return this.#best === null ? null : pageMs + this.#best.offsetMs;
  }

  /** The page's clock when the server's shows `serverMs`, or null before the first answer. */
  pageMsAt(serverMs: number): number | null {
    return this.#best === null ? null : serverMs - this.#best.offsetMs;
  }

  /** Round trip of the sample in use, ms. */
  get roundTripMs(): number | null {
    return this.#best?.roundTripMs ?? null;
  }
}

/** How far the offset of `sample` may be off at `nowMs`. */
function errorMs(sample: ClockSample, nowMs: number): number {
  return sample.roundTripMs / 2 + (nowMs - sample.sampledAtMs) * DRIFT_MAX;
}
