/**
 * Step-to-pixels latency, measured on every frame and summed up over a sliding window.
 *
 * The path is cut where clocks are read: the worker stamps the frame, the server's hub sees it, its packet is encoded, the
 * server hands it to the transport, this worker has all of it, the picture is decoded, the drawing calls are done, the
 * display's next frame begins. Raw frames are neither encoded nor decoded: those stages have no samples then. Of several
 * frames that are drawn within one of the display's, it shows the last: only that one's wait is measured.
 */

import { nearestRank, SampleWindow } from "./sample_window.ts";

/** Consecutive parts of the path. */
export const LATENCY_STAGES = ["ring", "encode", "server", "wire", "decode", "draw"] as const;
export type LatencyStage = typeof LATENCY_STAGES[number];
/**
 * `total` is the worker's stamp to drawn, of every frame; `display` is drawn to the display's next frame, and `displayed`
 * the worker's stamp to that, both of the frames that the display shows.
 */
const LATENCY_SERIES = [...LATENCY_STAGES, "total", "display", "displayed"] as const;
export type LatencySeriesName = typeof LATENCY_SERIES[number];

/** Figures of one series over the window, ms. */
export interface LatencyFigures {
  nowMs: number;
  p50Ms: number;
  p99Ms: number;
  samples: number;
}
export type LatencySummary = Record<LatencySeriesName, LatencyFigures | null>;

const WINDOW_MS = 10_000;
const SAMPLES_MAX = 2_048;

/** One frame's moments, all ms of the server's clock. */
export interface FrameMoments {
  steppedAtMs: number;
  wokenAtMs: number;
  /** null for raw frames. */
  encodedAtMs: number | null;
  sentAtMs: number;
  receivedAtMs: number;
  /** null for raw frames. */
  decodedAtMs: number | null;
  drawnAtMs: number;
}

/** Samples of the last 10 s. */
export class LatencySeries {
  readonly #valuesMs = new SampleWindow(WINDOW_MS, SAMPLES_MAX);

  add(valueMs: number, nowMs: number): void {
    this.#valuesMs.add(valueMs, nowMs);
  }

  reset(): void {
    this.#valuesMs.reset();
  }

  /** Nearest-rank percentiles of the window that ends at `nowMs`; null while it is empty. */
  figures(nowMs: number): LatencyFigures | null {
    const sorted = this.#valuesMs.sorted(nowMs);
    return sorted && {
      nowMs: this.#valuesMs.newest,
      p50Ms: nearestRank(sorted, 0.5),
      p99Ms: nearestRank(sorted, 0.99),
      samples: sorted.length,
    };
  }
}

/** All series of one picture. */
export class LatencyMeter {
  readonly #series: Readonly<Record<LatencySeriesName, LatencySeries>> = everySeries(() =>
    new LatencySeries()
  );

  addFrame(moments: FrameMoments, nowMs: number): void {
    const { steppedAtMs, wokenAtMs, encodedAtMs, sentAtMs, receivedAtMs, decodedAtMs, drawnAtMs } =
      moments;
    this.#series.ring.add(wokenAtMs - steppedAtMs, nowMs);
    if (encodedAtMs !== null) this.#series.encode.add(encodedAtMs - wokenAtMs, nowMs);
    this.#series.server.add(sentAtMs - (encodedAtMs ?? wokenAtMs), nowMs);
    this.#series.wire.add(receivedAtMs - sentAtMs, nowMs);
    if (decodedAtMs !== null) this.#series.decode.add(decodedAtMs - receivedAtMs, nowMs);
    this.#series.draw.add(drawnAtMs - (decodedAtMs ?? receivedAtMs), nowMs);
    this.#series.total.add(drawnAtMs - steppedAtMs, nowMs);
  }

  /** The display's frame begins that shows a frame: all ms of the server's clock. */
  addDisplayed(
    { steppedAtMs, drawnAtMs }: Pick<FrameMoments, "steppedAtMs" | "drawnAtMs">,
    displayedAtMs: number,
    nowMs: number,
  ): void {
    this.#series.display.add(displayedAtMs - drawnAtMs, nowMs);
    this.#series.displayed.add(displayedAtMs - steppedAtMs, nowMs);
  }

  reset(): void {
    for (const series of Object.values(this.#series)) series.reset();
  }

  summary(nowMs: number): LatencySummary {
    return everySeries((name) => this.#series[name].figures(nowMs));
  }
}

function everySeries<Value>(
  make: (name: LatencySeriesName) => Value,
): Record<LatencySeriesName, Value> {
  return Object.fromEntries(LATENCY_SERIES.map((name) => [name, make(name)])) as Record<
    LatencySeriesName,
    Value
  >;
}
