/** Keeps the ingest process running, and speaks for it: the durable lane as the rest of `serve` sees it. */

import { getLogger } from "@logtape/logtape";
import { Backoff, keepRunning } from "../backoff.ts";
import { messageOf } from "../errors.ts";
import { removeIfAny } from "../files.ts";
import { guarded } from "../guard.ts";
import type {
  DurableState,
  FromIngest,
  IngestStart,
  JournalMessage,
  MetricValue,
  RemoteWorker,
  RoutePreference,
  ToIngest,
} from "./feed.ts";
import { IngestProcess } from "./ingest_process.ts";
import type { DurableLane, DurableListener, GrpcEndpoints, JournalLane } from "./lane.ts";

const RESTARTS = { firstMs: 100, maxMs: 10_000, wellMs: 10_000 };
/** Time to commit what was received before it is killed. */
const STOP_MS_MAX = 5_000;
/** For a worker to answer a command. */
const COMMAND_MS_MAX = 30_000;

const logger = getLogger(["telebridge", "durable"]);

export interface SupervisorOptions {
  /** The program and its arguments. */
  command: readonly string[];
  start: Omit<IngestStart, "type">;
}

interface PendingCommand {
  resolve: (resultJson: string) => void;
  reject: (reason: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class IngestSupervisor implements DurableLane, JournalLane {
  readonly #options: SupervisorOptions;
  readonly #listeners: DurableListener[] = [];
  readonly #routes = new Map<string, RoutePreference>();
  readonly #commands = new Map<number, PendingCommand>();
  readonly #running: Promise<void>;
  readonly #stopping = new AbortController();
  readonly #firstAnswer = Promise.withResolvers<void>();
  #process: IngestProcess | null = null;
  /** It has said that it is ready. */
  #ready = false;
  #followed: string[] = [];
  #watched: string[] = [];
  #commandsCount = 0;
  #state: DurableState = { state: "down", reason: "it is being started" };
  #workers: readonly RemoteWorker[] = [];
  #metrics: readonly MetricValue[] = [];
  #restarts = 0;
  /** Stay the same over restarts. */
  #port: number | null = null;
  #remotePort: number | null = null;

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#running = keepRunning({
      backoff: new Backoff({ ...RESTARTS, random: Math.random }),
      signal: this.#stopping.signal,
      runOnce: async () => {
        const end = await this.#runOnce();
        this.#firstAnswer.resolve();
        return end;
      },
      onEnd: (end, restartMs) => this.#onEnd(end, restartMs),
    });
  }

  static start(options: SupervisorOptions): IngestSupervisor {
    return new IngestSupervisor(options);
  }

  get state(): DurableState {
    return this.#state;
  }

  get workers(): readonly RemoteWorker[] {
    return this.#workers;
  }

  get metrics(): readonly MetricValue[] {
    return this.#metrics;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** null while it does not run. */
  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  get endpoints(): GrpcEndpoints {
    const { socketPath, remote } = this.#options.start;
    return {
      unixSocket: this.#port === null ? null : socketPath,
      port: this.#port,
      remote: remote === null || this.#remotePort === null ? null : {
        host: remote.host,
        port: this.#remotePort,
        certificatePem: remote.certificatePem,
      },
    };
  }

  /** Resolves when the process is ready for the first time, or has ended without. */
  get firstAnswer(): Promise<void> {
    return this.#firstAnswer.promise;
  }

  listen(listener: DurableListener): void {
    this.#listeners.push(listener);
  }

  setFollowed(runIds: ReadonlySet<string>): void {
    this.#followed = [...runIds];
    this.#tell({ type: "follow", runIds: this.#followed });
  }

  setWatched(runIds: ReadonlySet<string>): void {
    this.#watched = [...runIds];
    this.#tell({ type: "watch", runIds: this.#watched });
  }

  preferRoute(runId: string, prefer: RoutePreference): void {
    if (prefer === "auto") this.#routes.delete(runId);
    else this.#routes.set(runId, prefer);
    this.#tell({ type: "route", runId, prefer });
    this.#each((listener) => listener.onRoute?.(runId, prefer));
  }

  routeOf(runId: string): RoutePreference {
    return this.#routes.get(runId) ?? "auto";
  }

  journal(message: JournalMessage): void {
    this.#tell(message);
  }

  command(runId: string, name: string, argsJson: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    if (!this.#ready) {
      reject(new Error(`the durable lane is down: ${this.#state.reason}`));
      return promise;
    }
    const id = ++this.#commandsCount;
    const late = () => this.#settle(id, false, `no answer within ${COMMAND_MS_MAX / 1000} s`);
    this.#commands.set(id, { resolve, reject, timer: setTimeout(late, COMMAND_MS_MAX) });
    this.#tell({ type: "command", id, runId, name, argsJson });
    return promise;
  }

  /** Lets the process commit what it has, and ends it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#process?.channel.send({ type: "stop" });
    const killTimer = setTimeout(() => this.#process?.kill(), STOP_MS_MAX);
    await this.#running;
    clearTimeout(killTimer);
    const { socketPath } = this.#options.start;
    if (socketPath !== null) removeSocket(socketPath);
  }

  #onEnd(end: string, restartMs: number): void {
    const reason = `the ingest process ${end}; it starts again in ${restartMs / 1000} s`;
    logger.warn(reason);
    this.#onDown(reason);
    this.#restarts++;
  }

  /** Resolves to how it ended. */
  async #runOnce(): Promise<string> {
    try {
      this.#process = IngestProcess.spawn(this.#options.command);
    } catch (error) {
      return `did not start: ${messageOf(error)}`;
    }
    const { channel } = this.#process;
    channel.send({ type: "start", ...this.#startNow() });
    const received = channel.receive((message) => {
      guarded("the ingest process's message", () => this.#onMessage(message));
    });
    const end = await this.#process.ended();
    await received;
    this.#process = null;
    this.#ready = false;
    return end;
  }

  /** Clients know the ports by now: they stay the same. */
  #startNow(): Omit<IngestStart, "type"> {
    const { start } = this.#options;
    const remote = start.remote && { ...start.remote, port: this.#remotePort ?? start.remote.port };
    return { ...start, port: this.#port ?? start.port, remote };
  }

  #onMessage(message: FromIngest): void {
    switch (message.type) {
      case "ready":
        return this.#onReady(message);
      case "state":
        return this.#setState(message.state);
      case "commits":
        return this.#each((listener) =>
          listener.onCommits?.(message.runId, message.rows, message.samples)
        );
      case "missed":
        return this.#each((listener) => listener.onMissed?.(message.runId));
      case "runs":
        return this.#each((listener) => listener.onRuns?.());
      case "workers":
        return this.#setWorkers(message.workers);
      case "journal":
        return this.#each((listener) => listener.onJournal?.(message));
      case "command-reply":
        return this.#settle(message.id, message.ok, message.resultJson);
      case "metrics":
        this.#metrics = message.values;
    }
  }

  #onReady({ port, remotePort }: Extract<FromIngest, { type: "ready" }>): void {
    this.#port = port;
    this.#remotePort = remotePort;
    this.#ready = true;
    this.#tell({ type: "follow", runIds: this.#followed });
    this.#tell({ type: "watch", runIds: this.#watched });
    for (const [runId, prefer] of this.#routes) this.#tell({ type: "route", runId, prefer });
    // What was committed while it was down, or just before, nobody was told of.
    for (const runId of this.#followed) this.#each((listener) => listener.onMissed?.(runId));
    this.#each((listener) => listener.onRuns?.());
    this.#each((listener) => listener.onReady?.());
    this.#firstAnswer.resolve();
  }

  #onDown(reason: string): void {
    for (const id of [...this.#commands.keys()]) this.#settle(id, false, reason);
    this.#setWorkers([]);
    this.#setState({ state: "down", reason });
  }

  #setState(state: DurableState): void {
    this.#state = state;
    this.#each((listener) => listener.onState?.(state));
  }

  #setWorkers(workers: readonly RemoteWorker[]): void {
    this.#workers = workers;
    this.#each((listener) => listener.onWorkers?.(workers));
  }

  /** Only to one that is ready: it is told all of it then. */
  #tell(message: ToIngest): void {
    if (this.#ready) this.#process?.channel.send(message);
  }

  #settle(id: number, ok: boolean, result: string): void {
    const command = this.#commands.get(id);
    if (command === undefined) return;
    this.#commands.delete(id);
    clearTimeout(command.timer);
    if (ok) command.resolve(result);
    else command.reject(new Error(result));
  }

  #each(tell: (listener: DurableListener) => void): void {
    for (const listener of this.#listeners) {
      guarded("a listener of the durable lane", () => tell(listener));
    }
  }
}

function removeSocket(path: string): void {
  try {
    removeIfAny(path);
  } catch (error) {
    logger.warn`cannot remove ${path}: ${messageOf(error)}`;
  }
}
