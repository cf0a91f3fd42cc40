/** What this viewer saw of itself, gathered for the report that the server gets once a second. */

import type { ViewerReport } from "../proto/wire.ts";
import { SampleWindow } from "./sample_window.ts";

export const REPORT_MS = 1_000;
const FRAMES_MAX = 1_024;

/** Counts since some beginning, of which a report tells what is new. */
export interface ReportCounts {
  framesShown: number;
  framesDropped: number;
  janks: number;
  stalls: number;
  decoderRestarts: number;
}

export class ReportMeter {
  readonly #frameTimesMs = new SampleWindow(Infinity, FRAMES_MAX);
  readonly #latenciesMs = new SampleWindow(Infinity, FRAMES_MAX);
  readonly #decodesMs = new SampleWindow(Infinity, FRAMES_MAX);
  #told: ReportCounts;
  #toldAtMs = 0;

  constructor(counts: ReportCounts) {
    this.#told = counts;
  }

  /** A frame was drawn. What is not known of it is null. */
  addFrame(
    frame: { frameTimeMs: number | null; latencyMs: number | null; decodeMs: number | null },
    nowMs: number,
  ): void {
    if (frame.frameTimeMs !== null) this.#frameTimesMs.add(frame.frameTimeMs, nowMs);
    if (frame.latencyMs !== null) this.#latenciesMs.add(frame.latencyMs, nowMs);
    if (frame.decodeMs !== null) this.#decodesMs.add(frame.decodeMs, nowMs);
  }

  /** Another subscription: some counts have begun anew. */
  restart(counts: ReportCounts): void {
    this.#told = counts;
  }

  /** The report of the time since the last one, once a second; null in between. */
  take(counts: ReportCounts, nowMs: number): ViewerReport | null {
    if (nowMs - this.#toldAtMs < REPORT_MS) return null;
    this.#toldAtMs = nowMs;
    const since = (name: keyof ReportCounts) => counts[name] - this.#told[name];
    const [frameTimeP50Ms, frameTimeP99Ms] = takeQuantiles(this.#frameTimesMs, nowMs);
    const [latencyP50Ms, latencyP99Ms] = takeQuantiles(this.#latenciesMs, nowMs);
    const [decodeP50Ms] = takeQuantiles(this.#decodesMs, nowMs);
    const report: ViewerReport = {
      framesShown: since("framesShown"),
      framesDropped: since("framesDropped"),
      frameTimeP50Ms,
      frameTimeP99Ms,
      latencyP50Ms,
      latencyP99Ms,
      decodeP50Ms,
      janks: since("janks"),
      stalls: since("stalls"),
      decoderRestarts: since("decoderRestarts"),
    };
    this.#told = counts;
    return report;
  }
}

/** p50 and p99, after which the window is empty. */
function takeQuantiles(
  window: SampleWindow,
  nowMs: number,
): [p50: number | null, p99: number | null] {
  const [p50 = null, p99 = null] = window.quantiles([0.5, 0.99], nowMs) ?? [];
  window.reset();
  return [p50, p99];
}
