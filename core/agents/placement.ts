/** Which GPU an agent gets, and whether NVENC has room for it. */

import type { EncoderChoice } from "../encoders.ts";
import type { Gpu, Machine } from "./machine.ts";

export interface Wish {
  /** null: any. */
  gpu: number | null;
  /** null: it encodes by itself, or not at all. */
  encoder: EncoderChoice | null;
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
  const asked = {
    gpu: wish.gpu,
    encoder: wish.encoder ?? "auto",
    nvenc: false,
    pixelsPerSecond: wish.pixelsPerSecond,
  };
  const allowed = gpus.filter(({ index }) => wish.gpu === null || index === wish.gpu);
  if (allowed.length === 0) return { ...asked, why: whyNone(wish, gpus) };
  const sessionsCount = taken.filter(({ nvenc }) => nvenc).length;
  const isFull = nvencSessionsMax !== null && sessionsCount >= nvencSessionsMax;
  const encoding = allowed.filter(({ hasNvenc }) => hasNvenc);
  const nvenc = encoding.length > 0 &&
    (wish.encoder === "nvenc" || (wish.encoder === "auto" && !isFull));
  const gpu = leastLoaded(nvenc ? encoding : allowed, taken);
  const onCpu = wish.encoder === "auto" && !nvenc;
  const overflows = onCpu && encoding.length > 0;
  const how = wish.gpu !== null
    ? "asked for"
    : allowed.length > 1
    ? "least loaded"
    : "the only one";
  const encodes = !onCpu
    ? ""
    : overflows
    ? `; NVENC has no session left (${sessionsCount} taken): the CPU encodes`
    : "; it has no NVENC: the CPU encodes";
  return {
    ...asked,
    gpu: gpu.index,
    encoder: overflows ? cpuEncoder : asked.encoder,
    nvenc,
    why: `GPU ${gpu.index} (${gpu.name}), ${how}${encodes}`,
  };
}

function whyNone({ gpu }: Wish, gpus: readonly Gpu[]): string {
  if (gpu === null) return "no GPU renders here";
  if (gpus.length === 0) return `GPU ${gpu} was asked for, and none renders here`;
  const known = gpus.map(({ index, name }) => `${index} (${name})`).join(", ");
  return `GPU ${gpu} was asked for; those that render are ${known}`;
}

function leastLoaded(gpus: readonly Gpu[], taken: readonly Place[]): Gpu {
  const loadOf = ({ index }: Gpu) =>
    taken.filter(({ gpu }) => gpu === index)
      .reduce((sum, { pixelsPerSecond }) => sum + pixelsPerSecond, 0);
  return gpus.reduce((best, gpu) => loadOf(gpu) < loadOf(best) ? gpu : best);
}
