/** What viewers say of themselves once a second, as metrics of their run. */

import { Counter, Histogram, type Registry } from "prom-client";
import type { ViewerReport } from "../proto/wire.ts";

const MS_PER_S = 1000;
const BUCKETS_S = [
  1e-3,
  2e-3,
  4e-3,
  6e-3,
  8e-3,
  12e-3,
  17e-3,
  25e-3,
  34e-3,
  50e-3,
  100e-3,
  250e-3,
  1,
];

/** Times are of one second of one viewer each: its median, and its 99th percentile. */
export class ViewerReports {
  readonly #times: Record<"frameTime" | "latency" | "decode", Histogram>;
  readonly #counts: Record<
    "framesShown" | "framesDropped" | "janks" | "stalls" | "decoderRestarts",
    Counter
  >;

  constructor(registry: Registry) {
    const registers = [registry];
    const times = (name: string, help: string) =>
      new Histogram({
        name: `telebridge_viewer_${name}_seconds`,
        help: `${help}, of each viewer's every second.`,
        labelNames: ["run", "percentile"],
        buckets: BUCKETS_S,
        registers,
      });
    const counts = (name: string, help: string) =>
      new Counter({
        name: `telebridge_viewer_${name}_total`,
        help,
        labelNames: ["run"],
        registers,
      });
    this.#times = {
      frameTime: times("frame_time", "Time between two frames drawn"),
      latency: times("latency", "Step to drawn"),
      decode: times("decode", "Time that a picture takes to decode"),
    };
    this.#counts = {
      framesShown: counts("frames_shown", "Frames that viewers drew."),
      framesDropped: counts("frames_dropped", "Frames that came to viewers and were not drawn."),
      janks: counts("janks", "Frames drawn over one and a half times the usual time later."),
      stalls: counts("stalls", "Times that a viewer's event loop stood still for over 50 ms."),
      decoderRestarts: counts("decoder_restarts", "Decoders that had to be started anew."),
    };
  }

  add(run: string, report: ViewerReport): void {
    const { frameTime, latency, decode } = this.#times;
    observe(frameTime, run, "50", report.frameTimeP50Ms);
    observe(frameTime, run, "99", report.frameTimeP99Ms);
    observe(latency, run, "50", report.latencyP50Ms);
    observe(latency, run, "99", report.latencyP99Ms);
    observe(decode, run, "50", report.decodeP50Ms);
    const counts = this.#counts;
    counts.framesShown.inc({ run }, report.framesShown);
    counts.framesDropped.inc({ run }, report.framesDropped);
    counts.janks.inc({ run }, report.janks);
    counts.stalls.inc({ run }, report.stalls);
    counts.decoderRestarts.inc({ run }, report.decoderRestarts);
  }

  forgetRun(run: string): void {
    for (const counter of Object.values(this.#counts)) counter.remove({ run });
    for (const histogram of Object.values(this.#times)) {
      for (const percentile of ["50", "99"]) histogram.remove({ run, percentile });
    }
  }
}

function observe(histogram: Histogram, run: string, percentile: string, ms: number | null): void {
  if (ms !== null) histogram.observe({ run, percentile }, ms / MS_PER_S);
}
