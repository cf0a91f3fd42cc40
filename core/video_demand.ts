/** What a stream is asked to make: enough for the viewer that wants most, and nothing that nobody can take. */

import type { PacerSettings } from "./pacer.ts";
import type { Grid } from "./phase_lock.ts";
import type { VideoSettings } from "../ffi/stream.ts";

const NS_PER_S = 1e9;

/** A viewer of the stream. */
export interface StreamViewer {
  settings: PacerSettings;
  /** The {@link import("../ffi/stream.ts").VideoOutput} bit that it is sent. */
  output: number;
  /** It could be sent a packet now. */
  hasRoom: boolean;
}

/** What does not come from the viewers' own settings. */
export interface StreamKnobs {
  /** When frames are sampled; null = as they come. */
  grid: Grid | null;
  /** Pictures per second at most, because the link or a viewer takes no more; null = no cap. */
  rateMaxHz: number | null;
  bitrateKbps: number;
  jpegQuality: number;
  gopMs: number;
  encoder: number;
}

/**
 * A chain of H.264 cannot be thinned for one viewer, so that all get what the one with the highest cap and the smallest
 * step wants; frames come in order only when all want that, since those who want the newest would be late with it.
 */
export function demandOf(viewers: readonly StreamViewer[], knobs: StreamKnobs): VideoSettings {
  const { grid, rateMaxHz, ...rest } = knobs;
  const all = viewers.map(({ settings }) => settings);
  const capsHz = all.map(({ fpsMax }) => fpsMax === 0 ? Infinity : fpsMax);
  const capHz = Math.min(Math.max(0, ...capsHz), rateMaxHz ?? Infinity);
  return {
    ...rest,
    phaseNs: grid?.phaseNs ?? 0,
    periodNs: grid?.periodNs ?? 0,
    intervalMinNs: capHz === Infinity || capHz === 0 ? 0 : NS_PER_S / capHz,
    outputs: viewers.reduce((bits, { output, hasRoom }) => hasRoom ? bits | output : bits, 0),
    everyNth: all.length === 0 ? 1 : Math.min(...all.map(({ everyNth }) => everyNth)),
    inOrder: all.length > 0 && all.every(({ stayLive }) => !stayLive),
    fpsMhz: 0,
  };
}

export function sameSettings(a: VideoSettings, b: VideoSettings): boolean {
  return (Object.keys(a) as (keyof VideoSettings)[]).every((key) => a[key] === b[key]);
}
