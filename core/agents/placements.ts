/** The places that agents have, as they come and go. */

import type { AgentConfig, SourceKind } from "./config.ts";
import type { Machine } from "./machine.ts";
import { type Place, place, type Wish } from "./placement.ts";
import type { Placer } from "./plan.ts";

/** Sources that our encoders or GStreamer's and FFmpeg's encode. */
const ENCODED: ReadonlySet<SourceKind> = new Set(["agent", "gst", "ffmpeg", "x11grab", "auto"]);
/** What telebridge agent makes where the configuration says nothing else. */
const DEFAULTS = { width: 1280, height: 720, fps: 30 };

/** The places of all agents that run. */
export class Placements implements Placer {
  readonly #find: () => Promise<Machine>;
  #found: Promise<unknown> | null = null;
  #machine: Machine | null = null;
  readonly #places = new Map<string, Place>();

  /** `find` is called when the first agent starts. */
  constructor(find: () => Promise<Machine>) {
    this.#find = find;
  }

  /** At each start of the agent; what it had before is free again. */
  async place(config: AgentConfig): Promise<Place> {
    this.#found ??= this.#find().then((machine) => this.#machine = machine);
    await this.#found;
    this.release(config.name);
    const taken = place(wishOf(config), this.#machine!, [...this.#places.values()]);
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
    const known = this.#machine!.nvencSessionsMax ?? Infinity;
    if (!isNvenc) {
      const nvencSessionsMax = Math.min(known, sessionsCount);
      this.#machine = { ...this.#machine!, nvencSessionsMax };
    } else if (sessionsCount > known) {
      this.#machine = { ...this.#machine!, nvencSessionsMax: sessionsCount };
    }
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
