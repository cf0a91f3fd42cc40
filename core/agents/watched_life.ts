/** One process of an agent as its watchdog sees it: which ring is its own, and when a picture is looked at. */

import { getLogger } from "@logtape/logtape";
import type { Library } from "../../ffi/library.ts";
import { type RingReader, RunFlag } from "../../ffi/reader.ts";
import { messageOf } from "../errors.ts";
import type { Run } from "../run.ts";
import { openSegment } from "../segment_reader.ts";
import { type Picture, type Verdict, Watchdog, type WatchLimits } from "./watchdog.ts";

/** A picture is looked at so often within the shortest limit. */
const LOOKS_PER_LIMIT = 6;
const LOOK_INTERVAL_MS_MIN = 1_000;
const LOOK_INTERVAL_MS_MAX = 10_000;
/** A producer that showed no keyframe for so long after a look was due is asked for one. */
const KEYFRAME_MS_MAX = 4_000;
/** A process is told of later than it began, and its ring may be older than the message. */
const STARTED_LATE_MS_MAX = 10_000;

const logger = getLogger(["telebridge", "agents"]);

/** Dispose it when the process has ended, also while a picture is looked at. */
export class WatchedLife implements Disposable {
  readonly startedAtMs: number;
  readonly #name: string;
  readonly #watchdog: Watchdog;
  readonly #ringBefore: bigint | null;
  /** null: pictures are of no interest. */
  readonly #lookIntervalMs: number | null;
  #ring: { epochNs: bigint; segment: string } | null = null;
  /** The ring is there, and frames are owed. */
  #isShowing = false;
  #reader: RingReader | null = null;
  #frame = 0;
  #picture: Picture | null = null;
  #dueMs: number;
  /** When the next look is to succeed, or else the producer is asked. */
  #askMs: number;
  #complained = false;

  constructor(
    config: WatchLimits & { name: string },
    startedAtMs: number,
    ringBefore: bigint | null,
    nowMs: number,
  ) {
    this.startedAtMs = startedAtMs;
    this.#name = config.name;
    this.#watchdog = new Watchdog(config, nowMs);
    this.#ringBefore = ringBefore;
    this.#lookIntervalMs = lookIntervalMs(config);
    this.#dueMs = nowMs;
    this.#askMs = nowMs + KEYFRAME_MS_MAX;
  }

  get epochNs(): bigint | null {
    return this.#ring?.epochNs ?? this.#ringBefore;
  }

  get dueMs(): number {
    return this.#dueMs;
  }

  observe(run: Run | null, nowMs: number): Verdict | null {
    const reader = run !== null && this.#isOurs(run) ? run.reader : null;
    this.#follow(reader);
    const picture = this.#picture;
    this.#picture = null;
    const paused = reader !== null && (reader.status.flags & RunFlag.Paused) !== 0;
    this.#isShowing = reader !== null && !paused;
    if (!this.#isShowing) this.#askMs = nowMs + KEYFRAME_MS_MAX;
    return this.#watchdog.observe({ head: reader?.status.head ?? null, paused, picture }, nowMs);
  }

  #isOurs({ epochNs }: Run): boolean {
    return epochNs !== this.#ringBefore &&
      Number(epochNs / 1_000_000n) >= this.startedAtMs - STARTED_LATE_MS_MAX;
  }

  #follow(reader: RingReader | null): void {
    if (reader === null || reader.epochNs === this.#ring?.epochNs) return;
    this.#ring = { epochNs: reader.epochNs, segment: reader.runId };
    this.#frame = 0;
    this[Symbol.dispose]();
  }

  isDue(nowMs: number): boolean {
    return this.#lookIntervalMs !== null && this.#isShowing && nowMs >= this.#dueMs;
  }

  asks(nowMs: number): boolean {
    return nowMs >= this.#askMs;
  }

  /** Through a reader of its own, since it goes on for ms on another thread. */
  async look(library: Library, askMs: number, nowMs: () => number): Promise<void> {
    const { segment, epochNs } = this.#ring!;
    let found: Picture & { frame: number } | null = null;
    try {
      this.#reader ??= openSegment(library, segment, epochNs);
      if (this.#reader !== null) {
        found = await library.pictureStats(this.#reader, this.#frame, askMs);
      }
      this.#complained = false;
    } catch (error) {
      if (!this.#complained) {
        logger.warn`cannot look at a picture of agent ${this.#name}: ${messageOf(error)}`;
      }
      this.#complained = true;
      this[Symbol.dispose]();
    }
    // Another ring came meanwhile, or another process.
    if (this.#ring!.epochNs !== epochNs) return;
    if (found !== null) {
      this.#frame = found.frame;
      this.#picture = found;
    }
    const endedMs = nowMs();
    // Without a picture: with the next second.
    this.#dueMs = endedMs + (found === null ? LOOK_INTERVAL_MS_MIN / 2 : this.#lookIntervalMs!);
    if (found !== null || askMs > 0) this.#askMs = this.#dueMs + KEYFRAME_MS_MAX;
  }

  /** The reader; it is opened again when it is needed. */
  [Symbol.dispose](): void {
    this.#reader?.[Symbol.dispose]();
    this.#reader = null;
  }
}

function lookIntervalMs({ frozenTimeoutMs, blackTimeoutMs }: WatchLimits): number | null {
  const limits = [frozenTimeoutMs, blackTimeoutMs].filter((limit) => limit !== null);
  if (limits.length === 0) return null;
  const wantedMs = Math.min(...limits) / LOOKS_PER_LIMIT;
  return Math.min(Math.max(wantedMs, LOOK_INTERVAL_MS_MIN), LOOK_INTERVAL_MS_MAX);
}
