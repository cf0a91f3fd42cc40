/** Which lanes this page can draw, found out once when the worker starts. */

import type { LaneKind } from "../proto/wire.ts";

/** Baseline profile, level 3.1: 1280 × 720 at 30 Hz. A page that decodes this decodes what the server encodes. */
const PROBED_CODEC = "avc1.42E01F";

/** A graphics process that does not come up must not keep the page from its pictures. */
const PROBE_MS_MAX = 1_000;

export interface Abilities {
  accepts: LaneKind[];
  /** Hardware where there is some; else whatever the browser likes. */
  acceleration: HardwareAcceleration;
}

/** The little of the worker's globals that is asked; all of it may be missing, as it is on an insecure origin. */
export interface AbilitiesScope {
  VideoDecoder?: { isConfigSupported(config: VideoDecoderConfig): Promise<VideoDecoderSupport> };
  createImageBitmap?: unknown;
}

export async function probeAbilities(scope: AbilitiesScope): Promise<Abilities> {
  const supports = (hardwareAcceleration: HardwareAcceleration) =>
    Promise.race([
      isSupported(scope, { codec: PROBED_CODEC, optimizeForLatency: true, hardwareAcceleration }),
      new Promise<false>((resolve) => setTimeout(resolve, PROBE_MS_MAX, false)),
    ]);
  const [any, hardware] = await Promise.all([
    supports("no-preference"),
    supports("prefer-hardware"),
  ]);
  const accepts: LaneKind[] = ["raw"];
  if (any) accepts.push("h264");
  if (scope.createImageBitmap !== undefined) accepts.push("jpeg");
  return { accepts, acceleration: hardware ? "prefer-hardware" : "no-preference" };
}

async function isSupported(scope: AbilitiesScope, config: VideoDecoderConfig): Promise<boolean> {
  try {
    return (await scope.VideoDecoder?.isConfigSupported(config))?.supported === true;
  } catch {
    // A browser that does not know the question cannot do it.
    return false;
  }
}
