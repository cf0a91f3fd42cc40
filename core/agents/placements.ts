/** The places that agents have, as they come and go. */

import type { AgentConfig, SourceKind } from "./config.ts";
import type { Machine } from "./machine.ts";
import { type Place, place, type Wish } from "./placement.ts";
import type { Placer } from "./plan.ts";

/** Sources that our encoders or GStreamer's and FFmpeg's encode. */
const ENCODED: ReadonlySet<SourceKind> = new Set(["agent", "gst", "ffmpeg", "x11grab", "auto"]);
/** What telebridge agent makes where the configuration says nothing else. */
const DEFAULTS = { width: 1280, height: 720, fps: 30 };

/** What other programs had taken of NVENC they may have given back: a limit that showed is believed for so long. */
const LIMIT_MS = 600_000;

/** The places of all agents that run. */
export class Placements implements Placer {
  readonly #find: () => Promise<Machine>;
  #found: Promise<unknown> | null = null;
  #machine: Machine | null = null;
  /** Sessions that NVENC was seen to allow; null: nothing was seen, or long ago. */
  #limit: { sessionsMax: number; seenAtMs: number } | null = null;
  readonly #nowMs: () => number;
  readonly #places = new Map<string, Place>();

  /** `find` is called when the first agent starts; `nowMs` never steps back. */
  constructor(find: () => Promise<Machine>, nowMs: () => number) {
    this.#find = find;
    this.#nowMs = nowMs;
  }

  /** At each start of the agent; what it had before is free again. */
  async place(config: AgentConfig): Promise<Place> {
    this.#found ??= this.#find().then((machine) => this.#machine = machine);
    await this.#found;
    this.release(config.name);
    const machine = { ...this.#machine!, nvencSessionsMax: this.#sessionsMax };
    const taken = place(wishOf(config), machine, [...this.#places.values()]);
    this.#places.set(config.name, taken);
    return taken;
  }

  release(name: string): void {
    this.#places.delete(name);
  }

  /** An agent says what encodes its pictures. Where it is not the NVENC that it was to have, NVENC has no more room. */
  onEncoder(name: string, isNvenc: boolean): void {
    const own = this.#places.get(name);
    if (own === undefined || own.nvenc === isNvenc) return;
    this.#places.set(name, { ...own, nvenc: isNvenc });
    const sessionsCount = [...this.#places.values()].filter(({ nvenc }) => nvenc).length;
    const known = this.#sessionsMax ?? Infinity;
    const isWrong = isNvenc ? sessionsCount > known : sessionsCount < known;
    if (isWrong) this.#limit = { sessionsMax: sessionsCount, seenAtMs: this.#nowMs() };
  }

  /** null: no limit is known. */
  get #sessionsMax(): number | null {
    if (this.#limit !== null && this.#nowMs() - this.#limit.seenAtMs > LIMIT_MS) this.#limit = null;
    return this.#limit?.sessionsMax ?? this.#machine!.nvencSessionsMax;
  }
}

function wishOf({ gpu, encoder, source, width, height, fps }: AgentConfig): Wish {
  return {
    gpu,
    encoder: ENCODED.has(source.kind) ? encoder : null,
    pixelsPerSecond: (width ?? DEFAULTS.width) * (height ?? DEFAULTS.height) *
      (fps ?? DEFAULTS.fps),
  };
}
