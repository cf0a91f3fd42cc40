/**
 * When the display takes its pictures: phase and period of the display, from the time stamps that animation frames
 * carry.
 *
 * The stamps jitter, some frames are left out, and a window may move to a display of another rate. So the period is
 * first guessed by a median, which a few skipped frames do not move; each stamp then gets the number of its frame, and
 * a line through them (least squares, without outliers) gives both figures far more exactly than any two stamps.
 */

/** A display's frames are at `phaseMs + k * periodMs` of the page's clock. */
export interface DisplayTimes {
  phaseMs: number;
  periodMs: number;
}

const STAMPS_MAX = 128;
/** Fewer tell nothing. */
const STAMPS_MIN = 12;
/** Older stamps than this may be of another rate. */
const WINDOW_MS = 4_000;
/** After such a pause (a hidden page, a run that stood still) the count of frames begins anew. */
const PAUSE_MS = 250;
/** Two stamps this close are one frame's. */
const SAME_FRAME_MS = 0.5;
/** So many recent stamps decide whether the rate has changed. */
const RECENT_STAMPS = 17;
/** It has when so large a share of them lies off the line. */
const RECENT_OFF_MAX = 0.25;
/** Stamps further off the line than this share of a period are left out. */
const OUTLIER = 0.25;
/** A line is none when fewer of the stamps lie on it, or these scatter (root mean square) by more of a period. */
const ON_LINE_MIN = 0.75;
const SCATTER_MAX = 0.13;
/** No display is faster or slower. */
const PERIOD_MIN_MS = 2;
const PERIOD_MAX_MS = 100;

export class DisplayClock {
  #stampsMs: number[] = [];
  #times: DisplayTimes | null = null;
  #fitted = true;

  /** Takes the time stamp of an animation frame, ms of the page's clock. */
  addFrame(stampMs: number): void {
    const lastMs = this.#stampsMs.at(-1) ?? -Infinity;
    if (stampMs - lastMs < SAME_FRAME_MS) return;
    if (stampMs - lastMs > PAUSE_MS) this.#stampsMs = [];
    this.#stampsMs.push(stampMs);
    const oldestMs = stampMs - WINDOW_MS;
    while (this.#stampsMs.length > STAMPS_MAX || this.#stampsMs[0]! < oldestMs) {
      this.#stampsMs.shift();
    }
    this.#fitted = false;
  }

  /**
   * The display's times by what is known so far. After a pause the last ones stay until enough has come. null: nothing
   * regular was seen yet.
   */
  get times(): DisplayTimes | null {
    if (!this.#fitted) {
      this.#fitted = true;
      if (this.#stampsMs.length >= STAMPS_MIN) this.#fit();
    }
    return this.#times;
  }

  #fit(): void {
    let times = fitLine(this.#stampsMs);
    if (times === null || !agrees(times, this.#stampsMs.slice(-RECENT_STAMPS))) {
      // What came before a change of rate is forgotten.
      this.#stampsMs = this.#stampsMs.slice(-RECENT_STAMPS);
      times = fitLine(this.#stampsMs);
    }
    if (times !== null) this.#times = times;
  }
}

/** Whether these stamps still come at that rate: they lie on its line, and not only on every second of its frames. */
function agrees({ phaseMs, periodMs }: DisplayTimes, stampsMs: number[]): boolean {
  const off = stampsMs.filter((stampMs) => {
    const frames = (stampMs - phaseMs) / periodMs;
    return Math.abs(frames - Math.round(frames)) > OUTLIER;
  });
  return off.length <= RECENT_OFF_MAX * stampsMs.length && medianStep(stampsMs) < 1.5 * periodMs;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function medianStep(stampsMs: number[]): number {
  return median(stampsMs.slice(1).map((stampMs, index) => stampMs - stampsMs[index]!));
}

/** The line through the stamps by their frames' numbers; null when they lie on none. The phase is the last frame's. */
function fitLine(stampsMs: number[]): DisplayTimes | null {
  let periodMs = medianStep(stampsMs);
  let originMs = stampsMs[0]!;
  let frames: number[] = [0];
  for (let index = 1; index < stampsMs.length; index++) {
    const step = Math.round((stampsMs[index]! - stampsMs[index - 1]!) / periodMs);
    frames.push(frames[index - 1]! + Math.max(1, step));
  }
  let kept = stampsMs;
  let scatterMs = 0;
  // Twice: the second line is of those that the first found to lie on it.
  for (let round = 0; round < 2; round++) {
    ({ originMs, periodMs, scatterMs } = leastSquares(frames, kept));
    const onLine = kept.map((stampMs, index) =>
      Math.abs(stampMs - originMs - periodMs * frames[index]!) <= OUTLIER * periodMs
    );
    kept = kept.filter((_, index) => onLine[index]);
    frames = frames.filter((_, index) => onLine[index]);
    if (kept.length < ON_LINE_MIN * stampsMs.length) return null;
  }
  const sane = periodMs >= PERIOD_MIN_MS && periodMs <= PERIOD_MAX_MS;
  if (!sane || scatterMs > SCATTER_MAX * periodMs) return null;
  return { phaseMs: originMs + periodMs * frames.at(-1)!, periodMs };
}

function leastSquares(
  frames: number[],
  stampsMs: number[],
): { originMs: number; periodMs: number; scatterMs: number } {
  const count = frames.length;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  const meanFrame = mean(frames);
  const meanStampMs = mean(stampsMs);
  const product = (index: number) =>
    (frames[index]! - meanFrame) * (stampsMs[index]! - meanStampMs);
  const covariance = mean(frames.map((_, index) => product(index)));
  const variance = mean(frames.map((frame) => (frame - meanFrame) ** 2));
  const periodMs = covariance / variance;
  const originMs = meanStampMs - periodMs * meanFrame;
  const errors = stampsMs.map((stampMs, index) =>
    (stampMs - originMs - periodMs * frames[index]!) ** 2
  );
  return { originMs, periodMs, scatterMs: Math.sqrt(mean(errors)) };
}
