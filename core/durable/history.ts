/**
 * Reads of what is stored, for `serve`: in a worker of its own, so that no query delays a frame. Calls wait their turn in a
 * queue of {@link CALLS_WAITING_MAX}; one more is refused, and counted.
 */

import { workerUrl } from "../assets.ts";
import { messageOf, UserError } from "../errors.ts";
import { type StoreReader, StoreUnavailable } from "../storage/store.ts";

/** A page asks for a few things at once, and there may be many pages. */
const CALLS_WAITING_MAX = 256;
/** Longer than any page of rows takes; a worker that needs more is stuck in the disk, and is given up. */
const CALL_MS_MAX = 15_000;

type Reads = Omit<StoreReader, typeof Symbol.dispose>;
export type ReadName = keyof Reads;

/** What the worker is told: first where to read, then calls, one at a time. */
export type HistoryRequest =
  | { dataDir: string }
  | { name: ReadName; args: unknown[] };

export type HistoryReply =
  | { value: unknown }
  | { failure: Failure };

/** An error as it crosses from the worker. */
interface Failure {
  kind: "unavailable" | "mistake" | "bug";
  /** Of `unavailable`. */
  why: StoreUnavailable["why"];
  message: string;
}

/** Too much is asked at once, or the disk does not answer; later it may. */
export class HistoryBusy extends Error {
  override name = "HistoryBusy";
}

export interface HistoryOptions {
  dataDir: string;
  /** Starts the worker; for tests. */
  spawn?: () => Worker;
  callsWaitingMax?: number;
  callMsMax?: number;
}

interface Call {
  name: ReadName;
  args: unknown[];
  resolve: (value: unknown) => void;
  reject: (reason: Error) => void;
}

/** A {@link StoreReader} behind promises. The worker starts with the first call. */
export class History {
  readonly #dataDir: string;
  readonly #spawn: () => Worker;
  readonly #callsWaitingMax: number;
  readonly #callMsMax: number;
  readonly #waiting: Call[] = [];
  #worker: Worker | null = null;
  /** What the worker is at. */
  #current: Call | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;
  #refused = 0;

  constructor(options: HistoryOptions) {
    this.#dataDir = options.dataDir;
    this.#spawn = options.spawn ?? spawnWorker;
    this.#callsWaitingMax = options.callsWaitingMax ?? CALLS_WAITING_MAX;
    this.#callMsMax = options.callMsMax ?? CALL_MS_MAX;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Calls that were refused because too many waited. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * What the reader's method returns, from one snapshot. Rejects with {@link HistoryBusy}, {@link StoreUnavailable}, and
   * {@link UserError} for a cursor that is none.
   */
  call<Name extends ReadName>(
    name: Name,
    ...args: Parameters<Reads[Name]>
  ): Promise<ReturnType<Reads[Name]>> {
    if (this.#stopped) return Promise.reject(new HistoryBusy("the server is stopping"));
    if (this.#waiting.length >= this.#callsWaitingMax) {
      this.#refused++;
      return Promise.reject(
        new HistoryBusy(`${this.#waiting.length} reads of the history wait already; try later`),
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ name, args, resolve, reject });
    this.#next();
    return promise as Promise<ReturnType<Reads[Name]>>;
  }

  /** Ends the worker; what waits is rejected. */
  stop(): void {
    this.#stopped = true;
    const left = this.#waiting.splice(0);
    this.#abandon("the server is stopping");
    for (const { reject } of left) reject(new HistoryBusy("the server is stopping"));
  }

  #next(): void {
    if (this.#current !== null) return;
    const call = this.#waiting.shift();
    if (call === undefined) return;
    this.#current = call;
    this.#timer = setTimeout(
      () => this.#abandon(`a read of the history took more than ${this.#callMsMax / 1000} s`),
      this.#callMsMax,
    );
    this.#worker ??= this.#start();
    const request: HistoryRequest = { name: call.name, args: call.args };
    this.#worker.postMessage(request);
  }

  #start(): Worker {
    const worker = this.#spawn();
    // A worker that was given up may have sent its answer already.
    worker.onmessage = ({ data }: MessageEvent<HistoryReply>) => {
      if (worker === this.#worker) this.#settle(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#abandon(`reading the history failed: ${event.message}`);
    };
    const request: HistoryRequest = { dataDir: this.#dataDir };
    worker.postMessage(request);
    return worker;
  }

  #settle(reply: HistoryReply): void {
    const call = this.#takeCurrent();
    if ("value" in reply) call?.resolve(reply.value);
    else call?.reject(errorOf(reply.failure));
    this.#next();
  }

  /** Ends the worker, and with it what it is at. The next call has a fresh one. */
  #abandon(reason: string): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#takeCurrent()?.reject(new HistoryBusy(reason));
    this.#next();
  }

  #takeCurrent(): Call | null {
    clearTimeout(this.#timer);
    const call = this.#current;
    this.#current = null;
    return call;
  }
}

function spawnWorker(): Worker {
  return new Worker(workerUrl("core/durable/history_worker"), { type: "module", name: "history" });
}

export function failureOf(error: unknown): Failure {
  const message = messageOf(error);
  if (error instanceof StoreUnavailable) return { kind: "unavailable", why: error.why, message };
  return { kind: error instanceof UserError ? "mistake" : "bug", why: "io", message };
}

function errorOf({ kind, why, message }: Failure): Error {
  switch (kind) {
    case "unavailable":
      return new StoreUnavailable(why, message);
    case "mistake":
      return new UserError(message);
    case "bug":
      return new Error(message);
  }
}
