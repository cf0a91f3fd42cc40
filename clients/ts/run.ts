/** A run: what a script holds on to. */

import { create, toBinary } from "@bufbuild/protobuf";
import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import process from "node:process";
import {
  PublishHistogramsRequestSchema,
  PublishLogsRequestSchema,
  PublishParamsRequestSchema,
  PublishRunEpisodesRequestSchema,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { LogLevel } from "../../proto/gen/telebridge/v1/records_pb.ts";
import { Adopter } from "./adoption.ts";
import type { Channel } from "./channel.ts";
import { keepCheckpoint, sendCheckpoints, waitingCheckpoints } from "./checkpoints.ts";
import { boundedText, checkName, checkRunId, finiteOrNot, jsonOf, wholeNumber } from "./checks.ts";
import { unixNs } from "./clock.ts";
import { Coalescer } from "./coalescer.ts";
import {
  type CommandHandler,
  ControlCall,
  Controls,
  type InputEvent,
  type RingIdentity,
} from "./control.ts";
import { Courier } from "./courier.ts";
import { type Place, placeKey, placeOf } from "./discovery.ts";
import { FrameCall, type FrameInit, strideOf } from "./frames.ts";
import { type Histogram, histogramOf } from "./histogram.ts";
import { CHECKPOINTS_WAITING_MAX } from "./limits.ts";
import { type HudNumbers, Meter } from "./meter.ts";
import { defaultRunId, type InitOptions, processMetadata } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { type RunEnd, type Session, streamIdBytes } from "./session.ts";
import { spoolDirectory, type StreamAbout } from "./spool.ts";
import { spoolAtExit } from "./spool_at_exit.ts";
import { Warnings } from "./warnings.ts";

export const LEVELS = {
  debug: LogLevel.DEBUG,
  info: LogLevel.INFO,
  warning: LogLevel.WARNING,
  error: LogLevel.ERROR,
} as const;

type Whole = number | bigint;

export interface StepInit {
  /** By default one more than before, from 0. */
  step?: Whole;
  episode?: Whole;
  reward?: number;
  /** The episode ended with this step, by its own rules. */
  terminated?: boolean;
  /** The episode was cut off after this step. */
  truncated?: boolean;
  /** Whatever else belongs to it; a JSON object. */
  extra?: Record<string, unknown>;
}

export interface EpisodeInit {
  episode: Whole;
  /** Sum of its rewards. */
  return: number;
  /** Number of its steps. */
  length: Whole;
  firstStep?: Whole;
  /** By default now. */
  endTime?: Date;
  /** By default the end. */
  startTime?: Date;
  terminated?: boolean;
  truncated?: boolean;
  extra?: Record<string, unknown>;
}

export interface FlushOptions {
  /** How long to wait, 10 s by default. */
  timeoutMs?: number;
  /** Wait until rows would survive a loss of power, not only a crash. */
  synced?: boolean;
}

export interface FinishOptions {
  state?: "finished" | "failed";
  /** Why it failed. */
  reason?: string;
  /** How long to wait for acks, by default 10 s, or 1.5 s where no server is there; the next client sends what is left. */
  timeoutMs?: number;
}

/** Counts of rows, from the run's start. */
export interface RunStats {
  given: number;
  /** In SQLite: no crash loses them. */
  committed: number;
  synced: number;
  /** Given and not committed yet. */
  waiting: number;
  /** Found the queue full. */
  dropped: number;
  /** Refused by the server: they can never be stored. */
  refused: number;
  /** Written to disk because the server was away or slow. */
  spooled: number;
  /** Streams of earlier, dead processes that were sent by this one. */
  adopted: number;
  framesSent: number;
  framesSkipped: number;
  connected: boolean;
  /** Why it is not connected, for people. */
  awayBecause: string;
}

const WAIT_MS = 10_000;
const WAIT_AWAY_MS = 1_500;
/** A run that nobody watches shows a picture so often, for the runs page. */
const UNWATCHED_FRAME_MS = 2_000;

/**
 * Starts a run. Never waits for the server; whether it is there shows in {@link Run.stats}. Throws TypeError for a name
 * or a URL that is none.
 */
export function init(options: InitOptions = {}): Run {
  return new Run(options);
}

/**
 * Rows and pictures of one run. Its methods return at once: rows go into a queue with a limit and are sent while the
 * script awaits something. {@link finish} ends it; until then it keeps the process alive.
 */
export class Run implements AsyncDisposable {
  readonly id: string;
  readonly #place: Place;
  readonly #about: StreamAbout;
  readonly #outbox = new Outbox();
  readonly #warnings: Warnings;
  readonly #courier: Courier;
  readonly #adopter: Adopter;
  readonly #controls = new Controls();
  readonly #meter = new Meter();
  readonly #coalescer: Coalescer | null;
  readonly #spoolDirectory: string;
  readonly #atExit = () => this.#spoolNow();
  #coalescing: ReturnType<typeof setInterval> | undefined;
  #channel: Channel | null = null;
  #session: Session | null = null;
  #control: ControlCall | null = null;
  #frames: FrameCall | null = null;
  #framesSent = 0;
  #framesSkipped = 0;
  #frameAtMs = -Infinity;
  #nextStep = 0n;
  #checkpoints = 0;
  #checkpointsWaiting = 0;
  #keeping: Promise<void> = Promise.resolve();
  #sending: Promise<void> | null = null;
  #finishing: Promise<RunStats> | null = null;
  #hasExited = false;

  constructor(options: InitOptions) {
    this.id = checkRunId(
      // An agent of `telebridge serve` publishes under the agent's name.
      options.run ?? (process.env.TELEBRIDGE_RUN || defaultRunId(process.argv[1], new Date())),
    );
    this.#place = placeOf(options, process.env);
    this.#warnings = new Warnings(options.onWarning ?? ((line) => console.warn(line)));
    this.#coalescer = options.coalesceHz === undefined ? null : new Coalescer(options.coalesceHz);
    this.#spoolDirectory = options.spoolDir ?? spoolDirectory(process.env);
    this.#about = {
      runId: this.id,
      streamId: randomBytes(16).toString("hex"),
      startTimeUnixNs: String(unixNs()),
      tags: options.tags ?? [],
      metadataJson: jsonOf({ ...processMetadata(), ...options.metadata }, "init: metadata"),
      place: placeKey(this.#place),
    };
    const shared = {
      place: this.#place,
      spoolDirectory: this.#spoolDirectory,
      warnings: this.#warnings,
      random: Math.random,
    };
    this.#adopter = new Adopter(shared);
    this.#courier = new Courier({
      ...shared,
      about: this.#about,
      outbox: this.#outbox,
      spool: null,
      onConnected: (channel, session) => this.#onConnected(channel, session),
    });
    if (options.params !== undefined) this.params(options.params);
    this.#start();
  }

  #start(): void {
    process.once("exit", this.#atExit);
    // Where Deno.exit ends the process, nobody emits the other.
    globalThis.addEventListener?.("unload", this.#atExit);
    if (this.#coalescer !== null) {
      this.#coalescing = setInterval(
        () => this.#giveHeld(performance.now()),
        this.#coalescer.periodMs,
      );
    }
    this.#courier.start();
  }

  /** One value of each of some series, such as `{"train/loss": 0.1}`. NaN and the infinities are kept. */
  log(values: Readonly<Record<string, number>>, { step }: { step?: Whole } = {}): void {
    this.#checkUnfinished("log");
    const timeUnixNs = unixNs();
    const whole = step === undefined ? null : wholeNumber(step, "run.log: step");
    const samples = Object.entries(values).map(([name, value]) =>
      [checkName(name, "run.log: a name"), finiteOrNot(value, `run.log: "${name}"`)] as const
    );
    for (const [name, value] of samples) {
      if (name === "loss") this.#meter.loss = value;
      const sample = { timeUnixNs, step: whole, value };
      if (this.#coalescer?.offer(name, sample, performance.now()) === false) continue;
      this.#giveSample(name, sample);
    }
  }

  #giveSample(
    name: string,
    sample: { timeUnixNs: bigint; step: bigint | null; value: number },
  ): void {
    this.#taken(this.#outbox.give("samples", (buffer) => {
      buffer.push(name, sample.timeUnixNs, sample.step, sample.value);
    }));
  }

  #giveHeld(nowMs: number): void {
    for (const [name, sample] of this.#coalescer?.takeDue(nowMs) ?? []) {
      this.#giveSample(name, sample);
    }
  }

  /** One step of an environment. */
  step(given: StepInit = {}): void {
    this.#checkUnfinished("step");
    const { reward, terminated = false, truncated = false, extra } = given;
    const row = {
      step: given.step === undefined ? this.#nextStep : wholeNumber(given.step, "run.step: step"),
      timeUnixNs: unixNs(),
      episode: given.episode === undefined
        ? this.#meter.episode
        : wholeNumber(given.episode, "run.step: episode"),
      reward: reward === undefined ? NaN : finiteOrNot(reward, "run.step: reward"),
      terminated,
      truncated,
      extraJson: jsonOf(extra, "run.step: extra"),
    };
    this.#nextStep = row.step + 1n;
    this.#meter.advance(performance.now(), { ...row, isLast: terminated || truncated });
    this.#taken(this.#outbox.give("steps", (buffer) => buffer.push(row)));
  }

  /** A finished episode. */
  episode(given: EpisodeInit): void {
    this.#checkUnfinished("episode");
    const endNs = given.endTime === undefined ? unixNs() : nsOf(given.endTime);
    const request = create(PublishRunEpisodesRequestSchema, {
      rows: [{
        episode: wholeNumber(given.episode, "run.episode: episode"),
        startTimeUnixNs: given.startTime === undefined ? endNs : nsOf(given.startTime),
        endTimeUnixNs: endNs,
        firstStep: wholeNumber(given.firstStep ?? 0, "run.episode: firstStep"),
        length: wholeNumber(given.length, "run.episode: length"),
        episodeReturn: finiteOrNot(given.return, "run.episode: return"),
        terminated: given.terminated ?? false,
        truncated: given.truncated ?? false,
        extraJson: jsonOf(given.extra, "run.episode: extra"),
      }],
    });
    this.#give("episodes", toBinary(PublishRunEpisodesRequestSchema, request));
  }

  /** Settings of the run, anything that JSON can say; the last value of a key holds. */
  params(values: Readonly<Record<string, unknown>>): void {
    this.#checkUnfinished("params");
    for (const [key, value] of Object.entries(values)) {
      const request = create(PublishParamsRequestSchema, {
        rows: [{
          key: checkName(key, "run.params: a key"),
          valueJson: jsonOf(value ?? null, `run.params: "${key}"`),
          timeUnixNs: unixNs(),
        }],
      });
      this.#give("params", toBinary(PublishParamsRequestSchema, request));
    }
  }

  /** A line of a log, or a text that belongs to a step. `source` says where it comes from: a logger's name, a tag. */
  text(
    source: string,
    text: string,
    { step, level = "info" }: { step?: Whole; level?: keyof typeof LEVELS } = {},
  ): void {
    this.#checkUnfinished("text");
    if (!(level in LEVELS)) {
      throw new TypeError(
        `run.text: level is "${level}"; expected ${Object.keys(LEVELS).join(", ")}`,
      );
    }
    const request = create(PublishLogsRequestSchema, {
      rows: [{
        timeUnixNs: unixNs(),
        level: LEVELS[level],
        source: boundedText(source, 200),
        text: boundedText(text),
        ...(step === undefined ? {} : { step: wholeNumber(step, "run.text: step") }),
      }],
    });
    this.#give("logs", toBinary(PublishLogsRequestSchema, request));
  }

  /** Counts between edges, or values to be counted into `bins` of equal width (64 by default). */
  histogram(
    series: string,
    given: Histogram | readonly number[] | Float32Array | Float64Array,
    { step, bins = 64 }: { step?: Whole; bins?: number } = {},
  ): void {
    this.#checkUnfinished("histogram");
    const { edges, counts } = histogramOf(given, bins);
    const request = create(PublishHistogramsRequestSchema, {
      rows: [{
        series: checkName(series, "run.histogram: the series"),
        timeUnixNs: unixNs(),
        edges,
        counts,
        ...(step === undefined ? {} : { step: wholeNumber(step, "run.histogram: step") }),
      }],
    });
    this.#give("histograms", toBinary(PublishHistogramsRequestSchema, request));
  }

  /**
   * Keeps a file, or bytes, with the run. The file is copied when this resolves and sent afterwards. Rejects when it
   * cannot be read, or when 16 wait already.
   */
  checkpoint(
    source: string | Uint8Array,
    options: { name?: string; step?: Whole; metadata?: Record<string, unknown> } = {},
  ): Promise<void> {
    this.#checkUnfinished("checkpoint");
    const name = options.name ?? (typeof source === "string" ? basename(source) : "checkpoint");
    const about = {
      name: checkName(name, "run.checkpoint: the name"),
      timeUnixNs: String(unixNs()),
      step: options.step === undefined
        ? null
        : String(wholeNumber(options.step, "run.checkpoint: step")),
      metadataJson: jsonOf(options.metadata, "run.checkpoint: metadata"),
    };
    if (this.#checkpointsWaiting >= CHECKPOINTS_WAITING_MAX) {
      return Promise.reject(new Error(`${CHECKPOINTS_WAITING_MAX} checkpoints wait to be sent`));
    }
    const index = ++this.#checkpoints;
    this.#checkpointsWaiting++;
    const kept = this.#keeping.then(async () => {
      const { folder } = await this.#courier.openSpool();
      await keepCheckpoint(folder, index, source, about);
    });
    this.#keeping = kept.catch(() => void this.#checkpointsWaiting--);
    return kept.then(() => this.#sendCheckpoints());
  }

  #sendCheckpoints(): void {
    const { spool } = this.#courier;
    const channel = this.#channel;
    if (spool === null || channel === null || this.#sending !== null) return;
    this.#sending = sendCheckpoints(spool.folder, channel, this.#opening, this.#warnings)
      .catch((error) => {
        const { message } = error as Error;
        this.#warnings.once("checkpoints", `cannot send a checkpoint now: ${message}`);
      })
      .then(async () => {
        this.#sending = null;
        const waiting = await waitingCheckpoints(spool.folder);
        const wasGiven = waiting.length > 0 && waiting.length < this.#checkpointsWaiting;
        this.#checkpointsWaiting = waiting.length;
        if (wasGiven) this.#sendCheckpoints();
      });
  }

  get #opening() {
    return { runId: this.id, streamId: streamIdBytes(this.#about), wantSynced: false };
  }

  /**
   * Shows a picture, when somebody watches; else one every 2 s. Only the newest waits to be sent. Returns whether it
   * was taken. Throws RangeError for a picture that is not what it says.
   */
  frame(frame: FrameInit): boolean {
    this.#checkUnfinished("frame");
    strideOf(frame);
    const nowMs = performance.now();
    const step = frame.step === undefined ? this.#meter.step : wholeNumber(frame.step, "step");
    const episode = frame.episode === undefined
      ? this.#meter.episode
      : wholeNumber(frame.episode, "episode");
    if (!this.#frameIsDue(nowMs) || this.#channel === null) {
      this.#framesSkipped++;
      return false;
    }
    this.#frameAtMs = nowMs;
    if (this.#frames === null || this.#frames.isOver) {
      this.#countFrames();
      this.#frames = new FrameCall(this.#channel, this.#opening);
    }
    this.#frames.offer({ ...frame, step, episode, hud: this.#meter.numbers(nowMs) });
    return true;
  }

  #frameIsDue(nowMs: number): boolean {
    const { framesWanted, rateMaxMhz } = this.#controls;
    const cappedMs = rateMaxMhz === 0 ? 0 : 1_000_000 / rateMaxMhz;
    return nowMs - this.#frameAtMs >= (framesWanted ? cappedMs : UNWATCHED_FRAME_MS);
  }

  #countFrames(): void {
    this.#framesSent += this.#frames?.sent ?? 0;
    this.#framesSkipped += this.#frames?.skipped ?? 0;
    this.#frames = null;
  }

  /** The numbers over the picture now, from the steps so far. */
  get hud(): HudNumbers {
    return this.#meter.numbers(performance.now());
  }

  /** Somebody watches, and the server cannot have the pictures by shared memory. */
  get framesWanted(): boolean {
    return this.#controls.framesWanted;
  }

  /** The pictures are in shared memory too, where a server on this machine finds them: it wants them here only if not. */
  announceRing(ring: RingIdentity): void {
    this.#controls.ring = ring;
    this.#control?.tellRing();
  }

  /** A viewer asks for a pause now. The script decides what that means. */
  get paused(): boolean {
    return this.#controls.paused;
  }

  /** What viewers with control sent since the last call, oldest first. */
  inputs(): InputEvent[] {
    return this.#controls.takeInputs();
  }

  /**
   * Answers a named command: `handler` is called with what came as JSON, and returns (or resolves to) what JSON can hold;
   * what it throws is the answer of a command that failed. Who asked waits for 10 s. Throws for a name that is empty or
   * has over 128 characters, and for the 65th.
   */
  onCommand(name: string, handler: CommandHandler): void {
    const isNew = this.#controls.setHandler(checkName(name, "run.onCommand: the name"), handler);
    // Names are told when the call is opened; those that are given together are told together.
    if (!isNew || this.#control === null) return;
    this.#control.close();
    this.#control = null;
    queueMicrotask(() => this.#openControl());
  }

  /** Whether all rows given so far are stored, within the time. Never rejects. */
  flush({ timeoutMs = WAIT_MS, synced = false }: FlushOptions = {}): Promise<boolean> {
    this.#giveHeld(Infinity);
    return this.#courier.settled(timeoutMs, synced);
  }

  get stats(): RunStats {
    const lanes = this.#outbox.all;
    const sum = (of: (lane: typeof lanes[number]) => number) =>
      lanes.reduce((rows, lane) => rows + of(lane), 0);
    return {
      given: sum(({ given }) => given),
      committed: sum(({ committed }) => committed) - this.#outbox.rowsRefused,
      synced: sum(({ synced }) => synced),
      waiting: this.#outbox.waiting,
      dropped: this.#outbox.rowsDropped,
      refused: this.#outbox.rowsRefused,
      spooled: this.#courier.rowsSpooled,
      adopted: this.#adopter.adopted,
      framesSent: this.#framesSent + (this.#frames?.sent ?? 0),
      framesSkipped: this.#framesSkipped + (this.#frames?.skipped ?? 0),
      connected: this.#courier.session !== null,
      awayBecause: this.#courier.awayBecause,
    };
  }

  /**
   * Ends the run: waits for acks, tells the server, and leaves what it could not send to the next client. Resolves to
   * what became of the rows; a second call resolves to the same.
   */
  finish(options: FinishOptions = {}): Promise<RunStats> {
    return this.#finishing ??= this.#finish(options);
  }

  async #finish(
    { state = "finished", reason = "", timeoutMs = this.#finishMs() }: FinishOptions,
  ): Promise<RunStats> {
    const deadlineMs = performance.now() + timeoutMs;
    const end: RunEnd = {
      timeUnixNs: String(unixNs()),
      state,
      reason: boundedText(reason, 10_000),
    };
    await this.#keeping;
    clearInterval(this.#coalescing);
    const isStored = await this.flush({ timeoutMs });
    const isSent = isStored && await this.#sendLastCheckpoints(deadlineMs);
    const isToldOf = isSent && await this.#tellOfEnd(end, deadlineMs);
    const { connected, awayBecause } = this.stats;
    this.#closeControl();
    this.#frames?.close();
    this.#countFrames();
    const patienceMs = isToldOf ? Math.max(0, deadlineMs - performance.now()) : 0;
    await Promise.all([this.#courier.stop(), this.#adopter.stop(patienceMs)]);
    process.off("exit", this.#atExit);
    globalThis.removeEventListener?.("unload", this.#atExit);
    if (isToldOf) await this.#courier.spool?.remove();
    else await this.#leaveToNext(end);
    return { ...this.stats, connected, awayBecause };
  }

  /** Nobody wants to wait for a server that is not there. */
  #finishMs(): number {
    return this.#courier.session === null ? WAIT_AWAY_MS : WAIT_MS;
  }

  async #sendLastCheckpoints(deadlineMs: number): Promise<boolean> {
    while (this.#checkpointsWaiting > 0 && performance.now() < deadlineMs) {
      this.#sendCheckpoints();
      await Promise.race([this.#sending, nap(deadlineMs - performance.now())]);
      if (this.#checkpointsWaiting > 0) await nap(100);
    }
    return this.#checkpointsWaiting === 0;
  }

  async #tellOfEnd(end: RunEnd, deadlineMs: number): Promise<boolean> {
    if (!await this.#courier.connected(Math.max(0, deadlineMs - performance.now()))) return false;
    try {
      await this.#courier.session!.finishRun(end);
      return true;
    } catch {
      return false; // the next client says it
    }
  }

  async #leaveToNext(end: RunEnd): Promise<void> {
    const { waiting } = this.stats;
    try {
      const spool = await this.#courier.openSpool();
      await writeFile(join(spool.folder, "finish.new"), JSON.stringify(end), { mode: 0o600 });
      await rename(join(spool.folder, "finish.new"), join(spool.folder, "finish.json"));
      await spool.release();
      this.#warnings.once(
        "left",
        `${waiting} rows of "${this.id}" are not stored yet; the next client sends them from ${spool.folder}`,
      );
    } catch (error) {
      const { message } = error as Error;
      this.#warnings.once("lost", `${waiting} rows of "${this.id}" are lost: ${message}`);
    }
  }

  /** The process ends without {@link finish}. */
  #spoolNow(): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    this.#giveHeld(Infinity);
    this.#outbox.cut();
    const batches = this.#outbox.unspooled();
    const folder = this.#courier.spool?.folder ?? null;
    if (batches.length === 0 && folder === null) return;
    try {
      spoolAtExit(this.#spoolDirectory, folder, this.#about, batches);
    } catch (error) {
      console.error(`telebridge: rows of "${this.id}" are lost: ${(error as Error).message}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.finish().then(() => {});
  }

  #onConnected(channel: Channel, session: Session): void {
    this.#channel = channel;
    this.#session = session;
    this.#openControl();
    void session.ended.then(() => {
      this.#closeControl();
      this.#frames?.close();
      this.#countFrames();
      this.#channel = null;
    });
    this.#sendCheckpoints();
    this.#adopter.start();
  }

  #openControl(): void {
    const channel = this.#channel;
    const session = this.#session;
    if (channel === null || session === null || this.#control !== null) return;
    const hello = { runId: this.id, streamId: streamIdBytes(this.#about) };
    this.#control = new ControlCall(channel, hello, this.#controls, {
      onChange: () => {},
      onSilence: () => session.close(new Error("the server is silent")),
    });
  }

  /** For good, as far as this connection goes. */
  #closeControl(): void {
    this.#session = null;
    this.#control?.close();
    this.#control = null;
  }

  #give(kind: "episodes" | "logs" | "params" | "histograms", packed: Uint8Array): void {
    this.#taken(this.#outbox.give(kind, (buffer) => buffer.push(packed)));
  }

  #taken(isTaken: boolean): void {
    if (isTaken) return;
    this.#warnings.once(
      "dropped",
      `the queue of "${this.id}" is full (is the event loop blocked, or the disk full?): rows are dropped, see run.stats.dropped`,
    );
  }

  #checkUnfinished(method: string): void {
    if (this.#finishing === null) return;
    throw new Error(`run "${this.id}" is finished: ${method}() came after finish()`);
  }
}

function nsOf(date: Date): bigint {
  return BigInt(date.getTime()) * 1_000_000n;
}

function nap(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, durationMs)));
}
