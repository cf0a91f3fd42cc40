/**
 * telebridge for TypeScript: what a run measures, stored and shown.
 *
 *     import { init } from "telebridge/clients/ts/mod.ts";
 *     await using run = init({ run: "my-run", tags: ["ppo"], params: { learningRate: 3e-4 } });
 *     run.log({ "train/loss": loss }, { step });
 */

export type { CommandHandler, InputEvent, RingIdentity } from "./control.ts";
export { isLoopback, placeOf } from "./discovery.ts";
export { FRAME_FORMATS, type FrameFormat, type FrameInit } from "./frames.ts";
export type { HudNumbers } from "./meter.ts";
export type { Histogram } from "./histogram.ts";
export type { InitOptions } from "./options.ts";
export {
  type EpisodeInit,
  type FinishOptions,
  type FlushOptions,
  init,
  Run,
  type RunStats,
  type StepInit,
} from "./run.ts";
