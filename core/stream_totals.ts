/** Adds up what the streams of a run did, over their starts and ends. */

import type { StreamMetrics } from "./metrics.ts";
import type { VideoStatus } from "../ffi/stream.ts";

const NS_PER_S = 1e9;

/** One stream's part: a status tells totals, the metrics are told what was added since the last one. */
export class StreamTotals {
  readonly #metrics: StreamMetrics;
  #last: VideoStatus | null = null;

  constructor(metrics: StreamMetrics) {
    this.#metrics = metrics;
  }

  add(status: VideoStatus): void {
    const last = this.#last;
    const grown = (key: keyof VideoStatus & keyof NumbersOf) => status[key] - (last?.[key] ?? 0);
    const metrics = this.#metrics;
    metrics.framesSampled.inc(grown("framesSampled"));
    metrics.framesPassedOver.inc(grown("framesSkipped"));
    metrics.packets.inc(grown("packets"));
    metrics.packetsDropped.inc(grown("packetsDropped"));
    metrics.keyframes.inc(grown("keyframes"));
    metrics.packetBytes.inc(grown("bytes"));
    metrics.convertSeconds.inc(grown("convertNs") / NS_PER_S);
    metrics.encodeSeconds.inc(grown("encodeNs") / NS_PER_S);
    metrics.decodeSeconds.inc(grown("decodeNs") / NS_PER_S);
    this.#last = { ...status };
  }
}

/** The fields of a status that only grow. */
type NumbersOf = Pick<
  VideoStatus,
  | "framesSampled"
  | "framesSkipped"
  | "packets"
  | "packetsDropped"
  | "keyframes"
  | "bytes"
  | "convertNs"
  | "encodeNs"
  | "decodeNs"
>;
