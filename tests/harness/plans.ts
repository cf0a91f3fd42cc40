/** Small producers that most tests of the viewer want. */

import { PixelFormat } from "../../proto/wire.ts";
import type { ProducerPlan } from "./producer.ts";
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
    overlay: null,
    hud: null,
    ...change,
  };
}
