/** Finds runs as their segments appear and go, and removes what dead workers left behind. */

import { getLogger } from "@logtape/logtape";
import { TelebridgeError } from "../ffi/errors.ts";
import type { Library } from "../ffi/library.ts";
import { Owner, type ReadCounters, type RingReader } from "../ffi/reader.ts";
import type { RoutePreference } from "./durable/feed.ts";
import { messageOf } from "./errors.ts";
import { guarded } from "./guard.ts";
import { chooseRoute, runIdOf, VIA_GRPC_SUFFIX } from "./picture_route.ts";
import { Run } from "./run.ts";
import { segmentNames, type WatchSegments } from "./segments.ts";

/** Status of every run. */
const TICK_MS = 1_000;
/** The watch tells at once; the scan is for what it missed. */
const TICKS_PER_SCAN = 3;
/** A segment is not ready for some µs after its file appears. */
const NOT_READY_RETRY_MS = 5;
const NOT_READY_RETRIES_MAX = 40;
/** A run that failed, and whose segment is still there, is tried again after so long. */
const FAILED_RETRY_MS = 30_000;
/** Ended runs are listed until there are more; then the oldest goes. */
const ENDED_RUNS_MAX = 50;
/** Segments beyond are not attached: each costs a mapping and descriptors. */
const LIVE_RUNS_MAX = 512;

const logger = getLogger(["telebridge", "runs"]);

/** Who wants to know about runs. */
export interface RunListener {
  /** A run appeared, ended or failed, or its pictures come another way; at its end the reader is still open. */
  onRunChange(runId: string): void;
  /** Once a second, after every status was read. */
  onSecond(): void;
  /** An ended run is not listed any more. */
  onRunForgotten?(runId: string): void;
}

export class RunRegistry implements Disposable {
  readonly #library: Library;
  readonly #nowMs: () => number;
  readonly #watch: WatchSegments;
  readonly #listeners: RunListener[] = [];
  /** By segment. */
  readonly #runs = new Map<string, Run>();
  /** By run; where there is none it is auto. */
  readonly #preferences = new Map<string, RoutePreference>();
  readonly #retries = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #refusalsLogged = new Set<string>();
  #watcher: Disposable | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #ticks = 0;
  #staleRemoved = 0;

  constructor(options: { library: Library; nowMs: () => number; watch: WatchSegments }) {
    this.#library = options.library;
    this.#nowMs = options.nowMs;
    this.#watch = options.watch;
  }

  /** Listeners are called in the order in which they came. */
  listen(listener: RunListener): void {
    this.#listeners.push(listener);
  }

  /** Looks once, then goes on looking until disposed. */
  start(): void {
    this.scan();
    this.#timer = setInterval(() => guarded("looking at the runs", () => this.tick()), TICK_MS);
    this.#watcher = this.#watch((segment) => this.look(segment));
  }

  /** The run, by the way in which its pictures come now. */
  get(runId: string): Run | null {
    return chooseRoute(
      this.#runs.get(runId) ?? null,
      this.#runs.get(runId + VIA_GRPC_SUFFIX) ?? null,
      this.#preferences.get(runId) ?? "auto",
    );
  }

  /** Newest first; each run once. */
  list(): Run[] {
    const runIds = new Set([...this.#runs.values()].map(({ id }) => id));
    return [...runIds].map((runId) => this.get(runId)!)
      .sort((a, b) => a.epochNs < b.epochNs ? 1 : -1);
  }

  /** Says which way the run's pictures are to come where there are two. */
  prefer(runId: string, route: RoutePreference): void {
    const before = this.get(runId);
    if (route === "auto") this.#preferences.delete(runId);
    else this.#preferences.set(runId, route);
    if (this.get(runId) !== before) this.#changed(runId);
  }

  /** Reads begun and repeated, of each live segment. */
  *readCounters(): Generator<[segment: string, counters: ReadCounters]> {
    for (const { segment, reader } of this.#runs.values()) {
      if (reader !== null) yield [segment, reader.counters()];
    }
  }

  /** Segments of dead workers removed so far. */
  get staleRemoved(): number {
    return this.#staleRemoved;
  }

  /** Reads every run's status; now and then scans the directory. */
  tick(): void {
    for (const run of this.#runs.values()) {
      if (run.reader !== null) this.#check(run);
    }
    if (++this.#ticks % TICKS_PER_SCAN === 0) this.scan();
    for (const listener of this.#listeners) {
      guarded("what is done each second", () => listener.onSecond());
    }
  }

  scan(): void {
    const present = new Set<string>();
    for (const segment of segmentNames()) {
      present.add(segment);
      if (this.#runs.get(segment)?.reader == null) this.#open(segment, NOT_READY_RETRIES_MAX);
    }
    for (const segment of this.#refusalsLogged) {
      if (!present.has(segment)) this.#refusalsLogged.delete(segment);
    }
    for (const run of this.#runs.values()) {
      const neverReadable = run.failed && run.epochNs === 0n;
      if (neverReadable && !present.has(run.segment)) this.#forget(run);
    }
  }

  /** Something happened to a segment: finds out what. */
  look(segment: string): void {
    const run = this.#runs.get(segment);
    if (run?.reader != null) this.#check(run);
    else this.#open(segment, 0);
  }

  /** A segment cannot be read any more. */
  fail(segment: string, reason: string): void {
    const run = this.#runs.get(segment);
    if (run?.reader == null) return;
    logger.error`run ${segment} ended: ${reason}`;
    this.#finish(run, reason, true);
  }

  #check(run: Run): void {
    try {
      run.tick(this.#nowMs());
    } catch (error) {
      return this.fail(run.segment, messageOf(error));
    }
    const reason = run.end;
    if (reason === null) return;
    const { replaced } = run.reader!.status;
    logger.info`run ${run.segment} ended: ${reason}`;
    this.#removeIfStale(run.reader!);
    this.#finish(run, reason, false);
    if (replaced) this.#open(run.segment, 0);
  }

  #finish(run: Run, reason: string, failed: boolean): void {
    using _reader = run.reader!;
    run.finish(reason, failed, this.#nowMs());
    this.#changed(run.id);
    const ended = [...this.#runs.values()].filter((other) => other.endedAtMs !== undefined)
      .sort((a, b) => a.endedAtMs! - b.endedAtMs!);
    for (const oldest of ended.slice(0, Math.max(0, ended.length - ENDED_RUNS_MAX))) {
      this.#forget(oldest);
    }
  }

  #changed(runId: string): void {
    for (const listener of this.#listeners) {
      guarded(`telling of run ${runId}`, () => listener.onRunChange(runId));
    }
  }

  #forget({ id, segment }: Run): void {
    this.#runs.delete(segment);
    if (this.get(id) !== null) return;
    for (const listener of this.#listeners) listener.onRunForgotten?.(id);
  }

  #removeIfStale(reader: RingReader): void {
    if (reader.status.owner !== Owner.Dead) return;
    try {
      if (!reader.removeStale()) return;
    } catch (error) {
      return this.#logRefusal(reader.runId, messageOf(error));
    }
    this.#staleRemoved++;
    const { producerPid } = reader.status;
    logger
      .warn`removed the segment of run ${reader.runId}: its worker, process ${producerPid}, is dead`;
  }

  #open(segment: string, retries: number): void {
    clearTimeout(this.#retries.get(segment));
    this.#retries.delete(segment);
    const liveCount = this.#runs.values().filter((run) => run.reader !== null).toArray().length;
    if (liveCount >= LIVE_RUNS_MAX) {
      return this.#logRefusal(segment, `${LIVE_RUNS_MAX} runs are live`);
    }
    try {
      using unadopted = new DisposableStack();
      const reader = unadopted.use(this.#library.openReader(segment));
      if (this.#adopt(reader)) unadopted.move();
    } catch (error) {
      if (!(error instanceof TelebridgeError)) throw error;
      this.#refuse(segment, error, retries);
    }
  }

  /** Lists a segment as a run; false when it is none any more. */
  #adopt(reader: RingReader): boolean {
    const known = this.#runs.get(reader.runId);
    if (reader.status.owner === Owner.Dead) this.#removeIfStale(reader);
    if (reader.status.owner !== Owner.Alive) return false;
    if (known?.epochNs === reader.epochNs && !this.#mayRetry(known)) return false;
    const run = Run.live(reader, this.#nowMs());
    this.#runs.set(run.segment, run);
    logger.info`run ${run.segment} started (process ${run.pid})`;
    this.#changed(run.id);
    return true;
  }

  /** A failure need not last: descriptors or memory may have been short. */
  #mayRetry({ failed, endedAtMs }: Run): boolean {
    return failed && endedAtMs !== undefined && this.#nowMs() - endedAtMs >= FAILED_RETRY_MS;
  }

  #refuse(segment: string, error: TelebridgeError, retries: number): void {
    switch (error.code) {
      case "ENOENT":
        return;
      case "EAGAIN":
        if (retries < NOT_READY_RETRIES_MAX) {
          const retry = () =>
            guarded(`opening run ${segment}`, () => this.#open(segment, retries + 1));
          this.#retries.set(segment, setTimeout(retry, NOT_READY_RETRY_MS));
        }
        return;
      case "EPERM":
      case "EACCES":
        return this.#logRefusal(segment, error.message);
    }
    const known = this.#runs.get(segment);
    if (known?.failed) return;
    this.#logRefusal(segment, error.message);
    this.#runs.set(segment, Run.unreadable(segment, error.message, this.#nowMs()));
    this.#changed(runIdOf(segment));
  }

  #logRefusal(segment: string, why: string): void {
    if (this.#refusalsLogged.has(segment)) return;
    this.#refusalsLogged.add(segment);
    logger.warn`not attached to run ${segment}: ${why}`;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const retry of this.#retries.values()) clearTimeout(retry);
    this.#watcher?.[Symbol.dispose]();
    for (const run of this.#runs.values()) run.reader?.[Symbol.dispose]();
    this.#runs.clear();
  }
}
