/**
 * One agent's process, under a keeper of its own (native/keeper, which documents what is said between us): whatever ends
 * here, `serve`, the keeper or the command, nothing that the command has started goes on.
 */

import { howEnded, killIfAny } from "../child.ts";
import { messageOf } from "../errors.ts";
import { guarded } from "../guard.ts";
import { randomHex } from "../random.ts";
import { endMarked, KEEPER_MARK } from "./orphans.ts";

/** A keeper that has not ended the command by so much after the grace is itself stopped, or waits for the kernel. */
const OVERDUE_MS = 5_000;
/** It tells once a second what is used. One that is silent for so long is itself stopped, and would end nothing. */
const SILENT_MS_MAX = 30_000;
/** Within that time it is looked for so often: time in which nobody read is none of its silence. */
const LOOKS = 3;

export interface KeeperSpec {
  /** The program, found in $PATH or relative to `cwd`, and its arguments. */
  command: readonly string[];
  /** All of it: nothing of ours goes with it. */
  env: Record<string, string>;
  /** null: ours. */
  cwd: string | null;
  /** Of all its processes together; null: no limit. */
  memoryMaxBytes: number | null;
  /** From SIGTERM to SIGKILL. */
  stopGraceMs: number;
}

export interface AgentEnd {
  code: number | null;
  /** `SIGKILL` */
  signal: string | null;
  reason: "exited" | "signalled" | "not-started" | "out-of-memory" | "keeper-lost";
  /** For people. */
  text: string;
}

export interface AgentUsage {
  /** Of all its processes, resident. */
  rssBytes: number;
  /** Of all its processes since the start, those that have ended included. */
  cpuSeconds: number;
  processes: number;
}

export interface KeeperListener {
  /** The command runs. */
  onStarted(pid: number): void;
  /** A line of its output, cut where it is too long; `keeper`: a word of the keeper's about it. */
  onLine(stream: "stdout" | "stderr" | "keeper", text: string): void;
  /** About once a second. */
  onUsage(usage: AgentUsage): void;
}

/** What a keeper says, a line of JSON each. */
type KeeperEvent =
  | { event: "started"; pid: number }
  | { event: "line"; stream: "stdout" | "stderr" | "keeper"; text: string }
  | ({ event: "usage" } & AgentUsage)
  | ({ event: "ended" } & AgentEnd);

export class Keeper {
  /** Resolves when the command and all that it has started are gone. Never rejects. */
  readonly ended: Promise<AgentEnd>;
  readonly #spec: KeeperSpec;
  readonly #listener: KeeperListener;
  readonly #silentMsMax: number;
  readonly #mark = randomHex(16);
  #child: Deno.ChildProcess | null = null;
  #control: WritableStreamDefaultWriter<Uint8Array> | null = null;
  #end: AgentEnd | null = null;
  #overdueTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setInterval> | undefined;
  #silentLooks = 0;

  private constructor(
    keeperPath: string,
    spec: KeeperSpec,
    listener: KeeperListener,
    silentMsMax: number,
  ) {
    this.#spec = spec;
    this.#listener = listener;
    this.#silentMsMax = silentMsMax;
    this.ended = this.#run(keeperPath);
  }

  static start(
    keeperPath: string,
    spec: KeeperSpec,
    listener: KeeperListener,
    silentMsMax = SILENT_MS_MAX,
  ): Keeper {
    return new Keeper(keeperPath, spec, listener, silentMsMax);
  }

  /** Asks the command to end, and ends it after the grace. */
  stop(): void {
    this.#say("stop", this.#spec.stopGraceMs);
  }

  /** Ends the command and all that it has started at once. */
  kill(): void {
    this.#say("kill", 0);
  }

  async #run(keeperPath: string): Promise<AgentEnd> {
    try {
      this.#child = this.#spawn(keeperPath);
    } catch (error) {
      const text = `cannot start ${keeperPath}: ${messageOf(error)}`;
      return { code: null, signal: null, reason: "not-started", text };
    }
    this.#control = this.#child.stdin.getWriter();
    this.#control.closed.catch(() => {}); // a keeper that ends breaks it
    await this.#listen(this.#child.stdout);
    const status = await this.#child.status;
    clearTimeout(this.#overdueTimer);
    clearInterval(this.#silenceTimer);
    this.#child = null;
    await this.#control.abort().catch(() => {});
    if (this.#end !== null) return this.#end;
    const left = await endMarked(this.#mark);
    const how = howEnded(status);
    const text = left.length === 0
      ? `its keeper ${how}`
      : `its keeper ${how}, and these processes do not end: ${left.join(", ")}`;
    return { code: null, signal: null, reason: "keeper-lost", text };
  }

  #spawn(keeperPath: string): Deno.ChildProcess {
    const { command, env, cwd, memoryMaxBytes, stopGraceMs } = this.#spec;
    return new Deno.Command(keeperPath, {
      args: [
        ...["--grace-ms", String(stopGraceMs)],
        ...(cwd === null ? [] : ["--cwd", cwd]),
        ...(memoryMaxBytes === null ? [] : ["--memory-max", String(memoryMaxBytes)]),
        "--",
        ...command,
      ],
      clearEnv: true,
      env: { ...env, [KEEPER_MARK]: this.#mark },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  }

  async #listen(events: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of events.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) guarded("an agent's event", () => this.#take(JSON.parse(line)));
    }
  }

  #take(event: KeeperEvent): void {
    this.#silentLooks = 0;
    switch (event.event) {
      case "started":
        this.#silenceTimer = setInterval(() => this.#lookForIt(), this.#silentMsMax / LOOKS);
        return this.#listener.onStarted(event.pid);
      case "line":
        return this.#listener.onLine(event.stream, event.text);
      case "usage": {
        const { rssBytes, cpuSeconds, processes } = event;
        return this.#listener.onUsage({ rssBytes, cpuSeconds, processes });
      }
      case "ended": {
        const { code, signal, reason, text } = event;
        this.#end = { code, signal, reason, text };
      }
    }
  }

  #say(word: "stop" | "kill", graceMs: number): void {
    if (this.#child === null) return;
    this.#control?.write(new TextEncoder().encode(`${word}\n`)).catch(() => {
      // It is ending by itself.
    });
    clearTimeout(this.#overdueTimer);
    this.#overdueTimer = setTimeout(() => this.#killKeeper(), graceMs + OVERDUE_MS);
  }

  #lookForIt(): void {
    if (++this.#silentLooks > LOOKS) this.#killKeeper();
  }

  #killKeeper(): void {
    killIfAny(this.#child, "SIGKILL");
  }
}
