/** Small producers that most tests of the viewer want. */

import { PixelFormat } from "../../proto/wire.ts";
import type { ProducerPlan, VideoPlan } from "./producer.ts";
import type { TestCard } from "./test_card.ts";

/** 160 × 120 RGB: every step a picture, nothing of it expensive. */
export const SMALL_CARD: TestCard = {
  format: PixelFormat.Rgb8,
  width: 160,
  height: 120,
  paddingBytes: 0,
};

/** 25 frames a second, no gate, no overlay, no HUD block, unless told otherwise. */
export function planFor(run: string, change: Partial<ProducerPlan> = {}): ProducerPlan {
  return {
    run,
    card: SMALL_CARD,
    framesPerSecond: 25,
    gated: false,
    video: null,
    overlay: null,
    hud: null,
    ...change,
  };
}

/** 1280 × 720 that moves, at a rate that two cores encode, decode and look at. */
export function videoPlanFor(
  run: string,
  video: Partial<VideoPlan> = {},
  change: Partial<ProducerPlan> = {},
): ProducerPlan {
  const card = {
    width: 1280,
    height: 720,
    scene: "moving",
    resized: null,
    encoded: false,
  } as const;
  return planFor(run, { framesPerSecond: 12, video: { ...card, ...video }, ...change });
}
