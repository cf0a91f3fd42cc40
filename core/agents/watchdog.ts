/** Whether a running agent is of no use any more: it sends nothing, always the same picture, or a black one. */

/** Each null where it is not looked at. */
export interface WatchLimits {
  /** Without a frame. */
  hangTimeoutMs: number | null;
  /** With the same picture all the time. */
  frozenTimeoutMs: number | null;
  /** With nothing but black. */
  blackTimeoutMs: number | null;
}

/** What the library saw of one picture (telebridge.h, tele_picture_stats). */
export interface Picture {
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** The brightest pixel, 0 to 255. */
  lumaMax: number;
  /** Mean luma of each cell of a grid over the picture, 0 to 255. */
  cells: Uint8Array<ArrayBuffer>;
}

export interface Observation {
  /** Frames published; null while there is no ring. */
  head: number | null;
  /** The program says so itself: it owes no frames. */
  paused: boolean;
  /** One that was not observed before; null = none was looked at. */
  picture: Picture | null;
}

export type Trouble = "hung" | "frozen" | "black";

export interface Verdict {
  trouble: Trouble;
  /** For people: "no frame for 10 s". */
  text: string;
}

/** A program that loads a model or a world has its first frame late; a longer hang-timeout is kept. */
export const FIRST_FRAME_MS = 60_000;
/** With what a program is told that publishes under another name. */
const NO_FIRST_FRAME = "no first frame of the run that $TELEBRIDGE_RUN names";
/** Who looks was stopped too when it did not look for longer: that time is not the agent's. */
const STEP_MS_MAX = 3_000;
/**
 * Two encodings of one picture are not equal, but nearly, once each has settled (telebridge.h, TELE_STATS_NOISE_MAX). A
 * stream that is starved of bits never settles, and is never called frozen.
 */
export const CELL_TOLERANCE = 6;
/** Limited range's black with an encoder's noise on it. */
const BLACK_LUMA_MAX = 16;

/** One life of one agent; to be told about once a second. Time is an argument and only passes between two calls. */
export class Watchdog {
  readonly #limits: WatchLimits;
  #observedAtMs: number;
  #head: number | null = null;
  #silentMs = 0;
  /** The first of those that look the same; not the last, so that what moves slowly is seen to move. */
  #still: Picture | null = null;
  #stillMs = 0;
  #blackMs: number | null = null;

  constructor(limits: WatchLimits, startedAtMs: number) {
    this.#limits = limits;
    this.#observedAtMs = startedAtMs;
  }

  observe({ head, paused, picture }: Observation, nowMs: number): Verdict | null {
    const stepMs = Math.min(Math.max(0, nowMs - this.#observedAtMs), STEP_MS_MAX);
    this.#observedAtMs = nowMs;
    const moved = head !== null && head !== this.#head;
    if (head !== null) this.#head = head;
    if (paused) {
      this.#silentMs = 0;
      this.#still = null;
      this.#blackMs = null;
      return null;
    }
    this.#silentMs = moved ? 0 : this.#silentMs + stepMs;
    this.#stillMs += stepMs;
    if (this.#blackMs !== null) this.#blackMs += stepMs;
    return this.#hung() ??
      (picture === null ? null : this.#black(picture) ?? this.#frozen(picture));
  }

  #hung(): Verdict | null {
    const { hangTimeoutMs } = this.#limits;
    if (hangTimeoutMs === null) return null;
    const started = (this.#head ?? 0) > 0;
    const limitMs = started ? hangTimeoutMs : Math.max(hangTimeoutMs, FIRST_FRAME_MS);
    if (this.#silentMs < limitMs) return null;
    return verdict("hung", started ? "no frame" : NO_FIRST_FRAME, limitMs);
  }

  #black({ lumaMax }: Picture): Verdict | null {
    const { blackTimeoutMs } = this.#limits;
    if (lumaMax > BLACK_LUMA_MAX) this.#blackMs = null;
    else this.#blackMs ??= 0;
    if (blackTimeoutMs === null || (this.#blackMs ?? -1) < blackTimeoutMs) return null;
    return verdict("black", "a black picture", blackTimeoutMs);
  }

  #frozen(picture: Picture): Verdict | null {
    const { frozenTimeoutMs } = this.#limits;
    if (this.#still === null || !looksTheSame(this.#still, picture)) {
      this.#still = picture;
      this.#stillMs = 0;
    }
    if (frozenTimeoutMs === null || this.#stillMs < frozenTimeoutMs) return null;
    return verdict("frozen", "the same picture", frozenTimeoutMs);
  }
}

/** Whether nothing but an encoder's noise is between them. */
export function looksTheSame(a: Picture, b: Picture): boolean {
  if (a.width !== b.width || a.height !== b.height) return false;
  return a.cells.every((luma, cell) => Math.abs(luma - b.cells[cell]!) <= CELL_TOLERANCE);
}

function verdict(trouble: Trouble, what: string, limitMs: number): Verdict {
  return { trouble, text: `${what} for ${limitMs / 1000} s` };
}
