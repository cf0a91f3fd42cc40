/**
 * One agent: what it shall do, what its process does, and what follows of both. Its process is crash-only: it is started
 * again after whatever end, unless its policy says otherwise or it never gets far.
 */

import type { AgentState, AgentStatus } from "../../proto/agents.ts";
import { Backoff } from "../backoff.ts";
import { messageOf } from "../errors.ts";
import type { AgentConfig } from "./config.ts";
import { CpuMeter } from "./cpu_meter.ts";
import type { AgentEnd, AgentUsage, KeeperListener, KeeperSpec } from "./keeper.ts";
import type { AgentPlan } from "./plan.ts";
import type { Verdict } from "./watchdog.ts";

/** The first restart is quick; only those who die young again and again have to wait. */
const RESTARTS = { firstMs: 100, maxMs: 10_000, wellMs: 10_000 };
/** So many short lives one after another, about half a minute of waiting, are a crash loop. */
export const SHORT_LIVES_MAX = 10;

/** What our agent says on stderr when it begins, and when another encoder takes over (native/agent). */
const ENCODED_BY = /^telebridge agent: .*, encoded by (.+)$/;

/** What an end tells of a program's last words. */
const LAST_WORDS_CHARS_MAX = 200;

const MOVING: ReadonlySet<AgentState> = new Set(["starting", "running", "stopping", "restarting"]);

/** Time as an argument. */
export interface AgentClock {
  /** Since 1970. */
  nowMs(): number;
  /** Returns what cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** A process under its keeper. */
export interface KeptProcess {
  stop(): void;
  kill(): void;
  /** Never rejects. */
  readonly ended: Promise<AgentEnd>;
}

/** Where the agent's life is told: its run in the store. */
export interface AgentJournal {
  /** It is wanted to run: the run goes on from here. */
  begin(metadata: Record<string, unknown>): void;
  line(source: "stdout" | "stderr" | "keeper", text: string): void;
  /** Of our own. */
  note(level: "info" | "warning" | "error", text: string): void;
  /** It runs no more until somebody wants it to. */
  end(state: "finished" | "failed", reason: string): void;
}

export interface AgentParts {
  clock: AgentClock;
  /** From 0 to 1 (not included). */
  random: () => number;
  /** Rejects, or throws, with a reason for people. */
  plan(config: AgentConfig): Promise<AgentPlan>;
  keep(spec: KeeperSpec, listener: KeeperListener): KeptProcess;
  journal: AgentJournal;
  /** Its status is another. */
  onChange(agent: Agent): void;
  /** It told what encodes its pictures. */
  onEncoder(agent: Agent, encoderName: string): void;
  /** Its process has ended. */
  onEnded(agent: Agent): void;
}

export class Agent {
  readonly config: AgentConfig;
  readonly #parts: AgentParts;
  readonly #backoff: Backoff;
  #state: AgentState = "stopped";
  /** While stopping: it shall start again then. */
  #again = false;
  /** From the decision to start it to its end. */
  #process: KeptProcess | null = null;
  #plan: AgentPlan | null = null;
  /** "x264 164", as our agent says; null: it has not, or it is another program. */
  #encoderName: string | null = null;
  #pid: number | null = null;
  #startedAtMs: number | null = null;
  #nextStartAtMs: number | null = null;
  #cancelStart = () => {};
  #usage: AgentUsage | null = null;
  #cpu = new CpuMeter();
  #trouble: Verdict | null = null;
  /** The newest line on stderr: mostly, why it ends. */
  #lastWords = "";
  #lastEnd: { atMs: number; text: string } | null = null;
  #restarts = 0;
  #toRest: (() => void)[] = [];

  constructor(config: AgentConfig, parts: AgentParts) {
    this.config = config;
    this.#parts = parts;
    this.#backoff = new Backoff({ ...RESTARTS, random: parts.random });
  }

  get name(): string {
    return this.config.name;
  }

  get state(): AgentState {
    return this.#state;
  }

  /** When its process was started, ms since 1970; another for each process. null: it is not running. */
  get runningSinceMs(): number | null {
    return this.#state === "running" ? this.#startedAtMs : null;
  }

  /** A person, the configuration or its policy wants it to run, whether that goes well or not. */
  get isWanted(): boolean {
    return this.#state === "stopping" ? this.#again : this.#state !== "stopped";
  }

  get restarts(): number {
    return this.#restarts;
  }

  status(fps: number | null): AgentStatus {
    const { name, command, gpu, encoder, source, memoryMaxBytes } = this.config;
    return {
      name,
      state: this.#state,
      pid: this.#pid,
      restarts: this.#restarts,
      startedAtMs: this.#startedAtMs,
      nextStartAtMs: this.#nextStartAtMs,
      lastEnd: this.#lastEnd,
      fps,
      encoder: this.#encoderName ?? this.#plan?.placement.encoder ?? encoder,
      gpu: this.#plan === null ? gpu : this.#plan.placement.gpu,
      source: source.kind,
      sourceWhy: this.#plan?.why ?? "",
      rssBytes: this.#usage?.rssBytes ?? null,
      memoryMaxBytes,
      cpuPercent: this.#cpu.percent,
      command: [...this.#plan?.command ?? command ?? []],
      health: this.#trouble === null ? null : `${this.#trouble.trouble}: ${this.#trouble.text}`,
    };
  }

  /** Somebody wants it to run: at once, whatever came before. */
  start(): void {
    switch (this.#state) {
      case "starting":
      case "running":
        return;
      case "stopping":
        this.#again = true;
        return;
      case "restarting":
        this.#backoff.forget();
        return this.#launch();
      case "stopped":
      case "failed":
      case "crash-loop":
        this.#backoff.forget();
        this.#parts.journal.begin(this.#metadata());
        return this.#launch();
    }
  }

  /** Nobody wants it to run any more. */
  stop(): void {
    switch (this.#state) {
      case "starting":
      case "running":
        this.#change("stopping");
        this.#process?.stop();
        break;
      case "restarting":
        this.#rest("stopped", "finished", "stopped");
        break;
      case "failed":
      case "crash-loop":
        this.#change("stopped");
    }
    this.#again = false;
  }

  /** Resolves when its process, and all that it has started, is gone, and none is to come. */
  get resting(): Promise<void> {
    if (!MOVING.has(this.#state)) return Promise.resolve();
    return new Promise((resolve) => this.#toRest.push(resolve));
  }

  /** A new process for the one that there is, or one where there is none. */
  restart(): void {
    if (this.#state === "starting" || this.#state === "running") this.stop();
    this.start();
  }

  /** A watchdog found that it is of no use any more: it is killed, and its policy says what follows. */
  onTrouble(verdict: Verdict): void {
    if (this.#state !== "running" || this.#trouble !== null) return;
    this.#trouble = verdict;
    this.#parts.journal.note("warning", `${verdict.trouble}: ${verdict.text}; it is killed`);
    this.#parts.onChange(this);
    this.#process?.kill();
  }

  /** What the run in the store says of it: not its environment, which may hold secrets. */
  #metadata(): Record<string, unknown> {
    const { command, source, cwd, gpu } = this.config;
    return { startedBy: "telebridge serve", agent: { command, source: source.kind, cwd, gpu } };
  }

  #launch(): void {
    this.#cancelStart();
    this.#change("starting");
    void this.#live();
  }

  /** One process, from the plan for it to its end. */
  async #live(): Promise<void> {
    const { clock, plan, keep } = this.#parts;
    let beganAtMs = clock.nowMs();
    let end: AgentEnd;
    try {
      this.#plan = await plan(this.config);
      beganAtMs = clock.nowMs(); // a plan may take its time, and is no part of a life
      if (this.#state === "stopping") throw new Error("it was stopped before its process started");
      const { cwd, memoryMaxBytes, stopGraceMs } = this.config;
      const { command, env } = this.#plan;
      this.#process = keep({ command, env, cwd, memoryMaxBytes, stopGraceMs }, {
        onStarted: (pid) => this.#onStarted(pid),
        onLine: (stream, text) => this.#onLine(stream, text),
        onUsage: (usage) => this.#onUsage(usage),
      });
      end = await this.#process.ended;
    } catch (error) {
      end = { code: null, signal: null, reason: "not-started", text: messageOf(error) };
    }
    this.#onEnded(end, clock.nowMs() - beganAtMs);
  }

  #onStarted(pid: number): void {
    this.#pid = pid;
    this.#startedAtMs = this.#parts.clock.nowMs();
    this.#parts.journal.note("info", `started as process ${pid} (${this.#plan!.why})`);
    if (this.#state === "starting") this.#change("running");
  }

  #onLine(stream: "stdout" | "stderr" | "keeper", text: string): void {
    this.#parts.journal.line(stream, text);
    if (stream === "stderr" && text.trim() !== "") this.#lastWords = text.trim();
    const encoderName = stream === "stderr" ? ENCODED_BY.exec(text)?.[1] : undefined;
    if (encoderName === undefined || this.config.source.kind !== "agent") return;
    this.#encoderName = encoderName;
    this.#parts.onEncoder(this, encoderName);
    this.#parts.onChange(this);
  }

  #onUsage(usage: AgentUsage): void {
    this.#usage = usage;
    this.#cpu.add(usage.cpuSeconds, this.#parts.clock.nowMs());
    this.#parts.onChange(this);
  }

  #onEnded(end: AgentEnd, livedMs: number): void {
    const trouble = this.#trouble;
    const text = trouble === null
      ? this.#endText(end)
      : `${trouble.trouble} (${trouble.text}) and killed`;
    const isWell = trouble === null && end.code === 0;
    this.#lastEnd = { atMs: this.#parts.clock.nowMs(), text };
    this.#process = null;
    this.#pid = null;
    this.#startedAtMs = null;
    this.#usage = null;
    this.#encoderName = null;
    this.#cpu = new CpuMeter();
    this.#trouble = null;
    this.#lastWords = "";
    this.#parts.onEnded(this);
    if (this.#state === "stopping") return this.#onStopped(text);
    const { restart } = this.config;
    if (restart === "always" || (restart === "on-failure" && !isWell)) {
      return this.#restartAfter(livedMs, text);
    }
    if (isWell) this.#rest("stopped", "finished", text);
    else this.#rest("failed", "failed", text);
  }

  /** With its last words, where it ended by itself and not well. */
  #endText({ text, reason, code }: AgentEnd): string {
    const words = this.#lastWords;
    if (reason !== "exited" || code === 0 || words === "" || this.#state === "stopping") {
      return text;
    }
    const shown = words.length > LAST_WORDS_CHARS_MAX
      ? words.slice(0, LAST_WORDS_CHARS_MAX) + "…"
      : words;
    return `${text}: ${shown}`;
  }

  #onStopped(text: string): void {
    if (this.#again) {
      this.#again = false;
      this.#parts.journal.note("info", `${text}; it starts again, as it was asked to`);
      return this.#launch();
    }
    this.#rest("stopped", "finished", text);
  }

  #restartAfter(livedMs: number, text: string): void {
    const { clock, journal } = this.#parts;
    const delayMs = this.#backoff.afterLife(livedMs);
    const { shortLives } = this.#backoff;
    if (shortLives >= SHORT_LIVES_MAX) {
      return this.#rest(
        "crash-loop",
        "failed",
        `${text}; it ended ${shortLives} times within ${RESTARTS.wellMs / 1000} s of its start, ` +
          `and is left alone until telebridge agents restart ${this.name}`,
      );
    }
    journal.note("warning", `${text}; it starts again in ${delayMs / 1000} s`);
    this.#nextStartAtMs = clock.nowMs() + delayMs;
    const cancel = clock.after(delayMs, () => {
      this.#restarts++;
      this.#launch();
    });
    this.#cancelStart = () => {
      cancel();
      this.#cancelStart = () => {};
      this.#nextStartAtMs = null;
    };
    this.#change("restarting");
  }

  /** No process, and none will be started. */
  #rest(
    state: "stopped" | "failed" | "crash-loop",
    runState: "finished" | "failed",
    reason: string,
  ): void {
    this.#cancelStart();
    this.#parts.journal.note(runState === "failed" ? "error" : "info", reason);
    this.#parts.journal.end(runState, runState === "failed" ? reason : "");
    this.#change(state);
    for (const resolve of this.#toRest.splice(0)) resolve();
  }

  #change(state: AgentState): void {
    this.#state = state;
    this.#parts.onChange(this);
  }
}
