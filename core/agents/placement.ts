/** Which GPU an agent gets, and whether NVENC has room for it. */

import type { EncoderChoice } from "../encoders.ts";

export interface Gpu {
  /** As the agent's `--gpu` counts them: among EGL's devices. */
  index: number;
  /** "NVIDIA L4" */
  name: string;
  hasNvenc: boolean;
}

export interface Machine {
  /** Those that render; the CPU is none. */
  gpus: readonly Gpu[];
  /** NVENC sessions that all GPUs together allow at once; null = no limit is known. */
  nvencSessionsMax: number | null;
  /** What encodes where NVENC does not. */
  cpuEncoder: EncoderChoice;
}

export interface Wish {
  /** null: any. */
  gpu: number | null;
  encoder: EncoderChoice;
  pixelsPerSecond: number;
}

export interface Place {
  /** null: the agent takes what it finds. */
  gpu: number | null;
  /** To be asked for. */
  encoder: EncoderChoice;
  /** One of NVENC's sessions is counted as taken. */
  nvenc: boolean;
  pixelsPerSecond: number;
  /** For people. */
  why: string;
}

/**
 * The GPU that has the least to draw, of those with NVENC while NVENC has room; then the CPU encodes. A GPU or an
 * encoder that was asked for is never replaced: where it cannot be had, the agent says so itself.
 */
export function place(wish: Wish, machine: Machine, taken: readonly Place[]): Place {
  const { gpus, nvencSessionsMax, cpuEncoder } = machine;
  const asked = { gpu: wish.gpu, encoder: wish.encoder, pixelsPerSecond: wish.pixelsPerSecond };
  if (gpus.length === 0) {
    const why = wish.gpu === null ? "no GPU renders here" : `GPU ${wish.gpu} was asked for`;
    return { ...asked, nvenc: false, why };
  }
  const allowed = gpus.filter(({ index }) => wish.gpu === null || index === wish.gpu);
  if (allowed.length === 0) {
    const known = gpus.map(({ index, name }) => `${index} (${name})`).join(", ");
    return {
      ...asked,
      nvenc: false,
      why: `GPU ${wish.gpu} was asked for; those that render are ${known}`,
    };
  }
  const sessionsCount = taken.filter(({ nvenc }) => nvenc).length;
  const isFull = nvencSessionsMax !== null && sessionsCount >= nvencSessionsMax;
  const encoding = allowed.filter(({ hasNvenc }) => hasNvenc);
  const nvenc = encoding.length > 0 &&
    (wish.encoder === "nvenc" || (wish.encoder === "auto" && !isFull));
  const gpu = leastLoaded(nvenc ? encoding : allowed, taken);
  const overflows = wish.encoder === "auto" && encoding.length > 0 && !nvenc;
  const chosen = wish.gpu !== null
    ? "asked for"
    : allowed.length === 1
    ? "the only one"
    : "the least loaded";
  const parts = [`GPU ${gpu.index} (${gpu.name}), ${chosen}`];
  if (overflows) {
    parts.push(`all ${nvencSessionsMax} sessions of NVENC are taken: the CPU encodes`);
  } else if (wish.encoder === "auto" && !nvenc) parts.push("it has no NVENC: the CPU encodes");
  return {
    ...asked,
    gpu: gpu.index,
    encoder: overflows ? cpuEncoder : wish.encoder,
    nvenc,
    why: parts.join("; "),
  };
}

function leastLoaded(gpus: readonly Gpu[], taken: readonly Place[]): Gpu {
  const loadOf = ({ index }: Gpu) =>
    taken.filter(({ gpu }) => gpu === index)
      .reduce((sum, { pixelsPerSecond }) => sum + pixelsPerSecond, 0);
  return gpus.reduce((best, gpu) => loadOf(gpu) < loadOf(best) ? gpu : best);
}

/** The places of all agents that run. */
export class Placements {
  #machine: Machine;
  readonly #places = new Map<string, Place>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** At each start of the agent; what it had before is free again. */
  take(name: string, wish: Wish): Place {
    this.#places.delete(name);
    const taken = place(wish, this.#machine, [...this.#places.values()]);
    this.#places.set(name, taken);
    return taken;
  }

  leave(name: string): void {
    this.#places.delete(name);
  }

  /** An agent says what encodes its pictures. Where it is not the NVENC that it was to have, NVENC has no more room. */
  onEncoder(name: string, isNvenc: boolean): void {
    const own = this.#places.get(name);
    if (own === undefined || own.nvenc === isNvenc) return;
    this.#places.set(name, { ...own, nvenc: isNvenc });
    const sessionsCount = [...this.#places.values()].filter(({ nvenc }) => nvenc).length;
    const known = this.#machine.nvencSessionsMax ?? Infinity;
    if (!isNvenc) {
      const nvencSessionsMax = Math.min(known, sessionsCount);
      this.#machine = { ...this.#machine, nvencSessionsMax };
    } else if (sessionsCount > known) {
      this.#machine = { ...this.#machine, nvencSessionsMax: sessionsCount };
    }
  }
}
