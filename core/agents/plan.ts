/** What an agent is started with, decided anew at each start. */

import type { EncoderChoice } from "../encoders.ts";
import type { AgentConfig } from "./config.ts";

/** Where its pictures are made and encoded. */
export interface Placement {
  /** null: none is given, and none is kept from it. */
  gpu: number | null;
  encoder: EncoderChoice;
  /** For people. */
  why: string;
}

/** Shares out GPUs and encoder sessions. */
export interface Placer {
  /** Before each start; the same agent again replaces what it had. */
  place(config: AgentConfig): Placement | Promise<Placement>;
  /** It told what encodes its pictures. */
  onEncoder(name: string, isNvenc: boolean): void;
  /** Its process has ended. */
  release(name: string): void;
}

/** For a machine of which nothing is known: as the file says. */
export const AS_DECLARED = {
  place: ({ gpu, encoder }: AgentConfig): Placement => (
    { gpu, encoder, why: gpu === null ? "any GPU" : `GPU ${gpu}` }
  ),
  onEncoder() {},
  release() {},
} satisfies Placer;

export interface AgentPlan {
  command: readonly string[];
  env: Record<string, string>;
  placement: Placement;
  /** Why this source, this GPU and this encoder, for people. */
  why: string;
}
