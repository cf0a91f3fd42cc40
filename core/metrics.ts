/** What `/metrics` tells, in Prometheus's text format: times in seconds, sizes in bytes. */

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ReadCounters } from "../ffi/reader.ts";
import type { TransportKind } from "./transport.ts";

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

/** The counters of one run, looked up once so that counting a frame is one addition. */
export interface RunMetrics {
  framesRead: Counter.Internal;
  framesSent: Counter.Internal;
  framesSkipped: Counter.Internal;
  bytesSent: Counter.Internal;
  hubWakes: Counter.Internal;
  acks: Counter.Internal;
  inputsDropped: Counter.Internal;
  wakeToSend: Histogram.Internal<string>;
  sendToAck: Histogram.Internal<string>;
}

/** Numbers that are asked for when somebody scrapes. */
export interface MetricsSources {
  runsCount(phase: "live" | "ended"): number;
  staleRemoved(): number;
  viewersByRun(): Iterable<[run: string, viewers: number]>;
  readCountersByRun(): Iterable<[run: string, counters: ReadCounters]>;
  sessionsCount(kind: TransportKind): number;
  uptimeSeconds(): number;
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
  };
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
    const { framesRead, framesSent, framesSkipped, bytesSent, hubWakes, acks, inputsDropped } =
      this.#perRun;
    return {
      framesRead: framesRead.labels(run),
      framesSent: framesSent.labels(run),
      framesSkipped: framesSkipped.labels(run),
      bytesSent: bytesSent.labels(run),
      hubWakes: hubWakes.labels(run),
      acks: acks.labels(run),
      inputsDropped: inputsDropped.labels(run),
      wakeToSend: this.#wakeToSend.labels(),
      sendToAck: this.#sendToAck.labels(),
    };
  }

  forgetRun(run: string): void {
    for (const counter of Object.values(this.#perRun)) counter.remove(run);
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
    this.#counter("stale_segments_removed", "Segments of dead workers removed.", [], (counter) => {
      counter.inc(sources.staleRemoved());
    });
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
