/** What `/metrics` tells, in Prometheus's text format: times in seconds, sizes in bytes. */

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ReadCounters } from "../ffi/reader.ts";
import type { ViewerReport } from "../proto/wire.ts";
import type { TransportKind } from "./transport.ts";
import type { VideoStatus } from "../ffi/stream.ts";
import { ViewerReports } from "./viewer_reports.ts";

const LATENCY_BUCKETS_S = [
  25e-6,
  50e-6,
  100e-6,
  250e-6,
  500e-6,
  1e-3,
  2.5e-3,
  5e-3,
  10e-3,
  25e-3,
  100e-3,
];
const TRANSPORT_KINDS: TransportKind[] = ["webtransport", "websocket"];

/** What a run's streams did, over all their starts and ends. */
export interface StreamMetrics {
  framesSampled: Counter.Internal;
  framesPassedOver: Counter.Internal;
  packets: Counter.Internal;
  packetsDropped: Counter.Internal;
  keyframes: Counter.Internal;
  packetBytes: Counter.Internal;
  convertSeconds: Counter.Internal;
  encodeSeconds: Counter.Internal;
  decodeSeconds: Counter.Internal;
}

/** The counters of one run, looked up once so that counting a frame is one addition. */
export interface RunMetrics {
  framesRead: Counter.Internal;
  framesSent: Counter.Internal;
  framesSkipped: Counter.Internal;
  bytesSent: Counter.Internal;
  hubWakes: Counter.Internal;
  acks: Counter.Internal;
  inputsDropped: Counter.Internal;
  packetsMissed: Counter.Internal;
  keyframeRequests: Counter.Internal;
  stream: StreamMetrics;
  encodedToSend: Histogram.Internal<string>;
  /** A viewer told what it saw of itself. */
  onReport: (report: ViewerReport) => void;
  wakeToSend: Histogram.Internal<string>;
  sendToAck: Histogram.Internal<string>;
}

/** Numbers that are asked for when somebody scrapes. */
export interface MetricsSources {
  runsCount(phase: "live" | "ended"): number;
  staleRemoved(): number;
  /** Reads of the history that were refused, since too many waited. */
  historyRefused(): number;
  viewersByRun(): Iterable<[run: string, viewers: number]>;
  readCountersByRun(): Iterable<[run: string, counters: ReadCounters]>;
  sessionsCount(kind: TransportKind): number;
  streams(): Iterable<[run: string, status: VideoStatus]>;
  uptimeSeconds(): number;
}

function labelled<Name extends string>(
  counters: Readonly<Record<Name, Counter>>,
  run: string,
): Record<Name, Counter.Internal> {
  const entries = Object.entries<Counter>(counters);
  return Object.fromEntries(
    entries.map(([name, counter]) => [name, counter.labels(run)]),
  ) as Record<Name, Counter.Internal>;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #perRun = {
    framesRead: this.#counter("frames_read", "Frames read from the ring.", ["run"]),
    framesSent: this.#counter("frames_sent", "Frames sent to viewers.", ["run"]),
    framesSkipped: this.#counter("frames_skipped", "Frames that a viewer was not sent.", ["run"]),
    bytesSent: this.#counter("frame_sent_bytes", "Bytes of frames sent to viewers.", ["run"]),
    hubWakes: this.#counter("hub_wakes", "Frame events of the native hub.", ["run"]),
    acks: this.#counter("acks", "Acks of viewers.", ["run"]),
    inputsDropped: this.#counter(
      "input_events_dropped",
      "Input events that the run's input ring had no room for.",
      ["run"],
    ),
    packetsMissed: this.#counter(
      "packets_missed",
      "Packets of a stream that a viewer had no room for, or could not decode without them.",
      ["run"],
    ),
    keyframeRequests: this.#counter(
      "keyframe_requests",
      "Times that a run's stream was asked for a keyframe.",
      ["run"],
    ),
  };
  readonly #perStream = {
    framesSampled: this.#ofStream("frames_sampled", "Frames converted and encoded, or passed."),
    framesPassedOver: this.#ofStream("frames_passed_over", "Frames of the ring passed over."),
    packets: this.#ofStream("packets", "Packets made."),
    packetsDropped: this.#ofStream("packets_dropped", "Packets dropped, since nobody took them."),
    keyframes: this.#ofStream("keyframes", "Keyframes made."),
    packetBytes: this.#ofStream("bytes", "Bytes of packets."),
    convertSeconds: this.#ofStream("convert_seconds", "Time spent converting colours."),
    encodeSeconds: this.#ofStream("encode_seconds", "Time spent encoding."),
    decodeSeconds: this.#ofStream("decode_seconds", "Time spent decoding a producer's H.264."),
  };
  readonly #viewerReports = new ViewerReports(this.#registry);
  readonly #encodedToSend = this.#histogram(
    "encoded_to_send_seconds",
    "From the encoder to the transport, for each packet's first viewer.",
  );
  readonly #wakeToSend = this.#histogram(
    "wake_to_send_seconds",
    "From the hub's wake to the transport, for each frame and viewer.",
  );
  readonly #sendToAck = this.#histogram(
    "send_to_ack_seconds",
    "From the transport to the ack of the viewer that drew the frame.",
  );
  readonly #inputEvents = this.#counter("input_events", "Input events taken from viewers.");
  readonly #errors = this.#counter("errors", "Failures, by where they were seen.", ["where"]);

  /** The counters of a run; they start at 0 and stay until {@link forgetRun}. */
  forRun(run: string): RunMetrics {
    return {
      ...labelled(this.#perRun, run),
      stream: labelled(this.#perStream, run),
      onReport: (report) => this.#viewerReports.add(run, report),
      encodedToSend: this.#encodedToSend.labels(),
      wakeToSend: this.#wakeToSend.labels(),
      sendToAck: this.#sendToAck.labels(),
    };
  }

  forgetRun(run: string): void {
    for (const counter of Object.values(this.#perRun)) counter.remove(run);
    for (const counter of Object.values(this.#perStream)) counter.remove(run);
    this.#viewerReports.forgetRun(run);
  }

  countInputEvents(count: number): void {
    this.#inputEvents.inc(count);
  }

  countError(where: "run" | "session" | "http" | "webtransport"): void {
    this.#errors.labels(where).inc();
  }

  /** Adds the numbers that live elsewhere. */
  observe(sources: MetricsSources): void {
    this.#gauge("runs", "Runs known, by phase.", ["phase"], (gauge) => {
      gauge.set({ phase: "live" }, sources.runsCount("live"));
      gauge.set({ phase: "ended" }, sources.runsCount("ended"));
    });
    this.#gauge("viewers", "Viewers of each watched run.", ["run"], (gauge) => {
      gauge.reset();
      for (const [run, viewers] of sources.viewersByRun()) gauge.set({ run }, viewers);
    });
    const perOutcome = ["run", "outcome"];
    this.#counter("ring_reads", "Reads of the ring, by outcome.", perOutcome, (counter) => {
      for (const [run, { reads, retries }] of sources.readCountersByRun()) {
        counter.inc({ run, outcome: "begun" }, reads);
        counter.inc({ run, outcome: "repeated" }, retries);
      }
    });
    this.#gauge("sessions", "Viewer sessions, by transport.", ["transport"], (gauge) => {
      for (const transport of TRANSPORT_KINDS) {
        gauge.set({ transport }, sources.sessionsCount(transport));
      }
    });
    this.#gauge("stream_info", "Streams that run: the encoder.", ["run", "encoder"], (gauge) => {
      gauge.reset();
      for (const [run, { encoderName }] of sources.streams()) {
        gauge.set({ run, encoder: encoderName }, 1);
      }
    });
    this.#gauge(
      "stream_bitrate_bits",
      "Bits per second that the encoder aims at.",
      ["run"],
      (gauge) => {
        gauge.reset();
        for (const [run, { bitrateKbps }] of sources.streams()) {
          gauge.set(
            { run },
            bitrateKbps * 1000,
          );
        }
      },
    );
    this.#counter("stale_segments_removed", "Segments of dead workers removed.", [], (counter) => {
      counter.inc(sources.staleRemoved());
    });
    this.#counter(
      "history_reads_refused",
      "Reads of stored runs refused, since too many waited.",
      [],
      (counter) => counter.inc(sources.historyRefused()),
    );
    this.#gauge("uptime_seconds", "Time since the start.", [], (gauge) => {
      gauge.set(sources.uptimeSeconds());
    });
    this.#gauge("resident_memory_bytes", "Resident memory of the process.", [], (gauge) => {
      gauge.set(Deno.memoryUsage().rss);
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #ofStream(name: string, help: string): Counter {
    return this.#counter(`stream_${name}`, `${help} By a run's stream threads.`, ["run"]);
  }

  /** `collect` counts from 0 up to what is known when somebody scrapes. */
  #counter(
    name: string,
    help: string,
    labelNames: string[] = [],
    collect?: (counter: Counter) => void,
  ): Counter {
    return new Counter({
      name: `telebridge_${name}_total`,
      help,
      labelNames,
      registers: [this.#registry],
      collect: collect && function () {
        this.reset();
        collect(this);
      },
    });
  }

  #histogram(name: string, help: string): Histogram {
    const registers = [this.#registry];
    return new Histogram({
      name: `telebridge_${name}`,
      help,
      buckets: LATENCY_BUCKETS_S,
      registers,
    });
  }

  #gauge(
    name: string,
    help: string,
    labelNames: string[],
    collect: (gauge: Gauge) => void,
  ): void {
    new Gauge({
      name: `telebridge_${name}`,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        collect(this);
      },
    });
  }
}
