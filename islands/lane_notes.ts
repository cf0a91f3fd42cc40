/** What a person should know about how the frames come, in whole sentences; nothing while all is as it should be. */

import type { LaneChoice, LaneKind, LaneState } from "../proto/wire.ts";

export const LANE_NAMES: Readonly<Record<LaneKind, string>> = {
  raw: "Raw",
  h264: "H.264",
  jpeg: "JPEG",
};

/** What of the browser decides over the lanes. */
export interface PageAbilities {
  hasWebCodecs: boolean;
  isSecureContext: boolean;
}

export function pageAbilities(): PageAbilities {
  return { hasWebCodecs: "VideoDecoder" in globalThis, isSecureContext };
}

export function laneNotes(
  lane: LaneState | null,
  choice: LaneChoice,
  { hasWebCodecs, isSecureContext }: PageAbilities,
): string[] {
  if (lane === null) return [];
  const notes: string[] = [];
  const name = LANE_NAMES[lane.kind];
  if (choice !== "auto" && choice !== lane.kind) {
    notes.push(`${LANE_NAMES[choice]} was asked for. This is ${name}: ${lane.why}.`);
  } else if (lane.kind !== choice && lane.why.includes("WebCodecs")) {
    if (hasWebCodecs) notes.push(`${name}: this browser has no H.264 decoder that works.`);
    else if (isSecureContext) notes.push(`${name}: this browser has no WebCodecs.`);
    else {
      notes.push(
        `${name}: this page has no WebCodecs, since its origin is not secure. By https, or by ` +
          "127.0.0.1 through a tunnel, it gets H.264.",
      );
    }
  }
  if (lane.rateMaxHz !== null) {
    notes.push(
      `The run is held to ${
        rate(lane.rateMaxHz)
      } frames a second, since its viewers cannot take more.`,
    );
  }
  return notes;
}

function rate(hz: number): string {
  return hz < 10 ? hz.toFixed(1) : hz.toFixed(0);
}
