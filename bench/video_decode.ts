/** A decoder of Chromium with nothing around it. */

import type { Page } from "playwright-core";
import { percentiles } from "./report.ts";

/** What the page below gets; bytes travel as base64, since playwright's arguments are JSON. */
interface Work {
  codec: string;
  units: { base64: string; keyframe: boolean }[];
  periodMs: number;
}

/** Time from decode() to the picture, of each access unit, ms. Runs in the page: nothing from out here is seen. */
async function decodeInPage({ codec, units, periodMs }: Work): Promise<number[]> {
  const givenAtMs = new Map<number, number>();
  const samplesMs: number[] = [];
  const { promise: failure, reject } = Promise.withResolvers<never>();
  const decoder = new VideoDecoder({
    output(frame) {
      samplesMs.push(performance.now() - givenAtMs.get(frame.timestamp)!);
      frame.close();
    },
    error: reject,
  });
  decoder.configure({ codec, optimizeForLatency: true, hardwareAcceleration: "no-preference" });
  const decodeAll = async () => {
    for (const [index, { base64, keyframe }] of units.entries()) {
      const data = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
      const type = keyframe ? "key" : "delta";
      givenAtMs.set(index, performance.now());
      decoder.decode(new EncodedVideoChunk({ type, timestamp: index, data }));
      await new Promise((resolve) => setTimeout(resolve, periodMs));
    }
    await decoder.flush();
  };
  await Promise.race([decodeAll(), failure]);
  decoder.close();
  return samplesMs;
}

/** p50 and p99 of decoding these access units one at a time at that rate, in a page of a secure origin, ms. */
export async function decodeAlone(
  page: Page,
  codec: string,
  units: { bytes: Uint8Array; keyframe: boolean }[],
  framesPerSecond: number,
): Promise<{ p50Ms: number; p99Ms: number }> {
  const samplesMs = await page.evaluate(decodeInPage, {
    codec,
    units: units.map(({ bytes, keyframe }) => ({ base64: bytes.toBase64(), keyframe })),
    periodMs: 1000 / framesPerSecond,
  });
  const { p50, p99 } = percentiles(samplesMs);
  return { p50Ms: p50, p99Ms: p99 };
}
