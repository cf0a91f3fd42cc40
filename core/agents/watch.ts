/**
 * Looks at the agents that run, once a second: at their rings' status, which costs nothing, and where frozen or black
 * pictures are to be noticed, at a picture now and then.
 */

import type { Library } from "../../ffi/library.ts";
import type { RunRegistry } from "../registry.ts";
import type { Verdict, WatchLimits } from "./watchdog.ts";
import { WatchedLife } from "./watched_life.ts";

/** What looking at pictures may take of one core: a GOP of 1080p is 200 ms of decoding. */
const LOOK_MS_PER_SECOND = 50;
/** It is given so long to answer, and to let the picture settle. */
const ANSWER_MS_MAX = 1_000;

/** Of the supervisor. */
export interface WatchedAgents {
  /** Those whose processes run; since when (ms since 1970) is another for each process. */
  watched(): Iterable<{ config: WatchLimits & { name: string }; startedAtMs: number }>;
  onTrouble(name: string, startedAtMs: number, verdict: Verdict): void;
}

export interface AgentWatchParts {
  agents: WatchedAgents;
  registry: RunRegistry;
  library: Library;
  /** Monotonic. */
  nowMs: () => number;
}

/** A listener of the registry. One picture is looked at at a time. */
export class AgentWatch {
  readonly #parts: AgentWatchParts;
  readonly #lives = new Map<string, WatchedLife>();
  #looking: Promise<void> | null = null;
  #creditMs = 0;
  #stopped = false;

  constructor(parts: AgentWatchParts) {
    this.#parts = parts;
  }

  onRunChange(): void {}

  onSecond(): void {
    if (this.#stopped) return;
    const { agents, registry, nowMs } = this.#parts;
    const gone = new Set(this.#lives.keys());
    for (const { config, startedAtMs } of agents.watched()) {
      gone.delete(config.name);
      const life = this.#lifeOf(config, startedAtMs);
      const verdict = life.observe(registry.get(config.name), nowMs());
      if (verdict !== null) agents.onTrouble(config.name, startedAtMs, verdict);
    }
    for (const name of gone) this.#end(name);
    this.#creditMs = Math.min(this.#creditMs + LOOK_MS_PER_SECOND, LOOK_MS_PER_SECOND);
    this.#looking ??= this.#lookAround().finally(() => this.#looking = null);
  }

  #lifeOf(config: WatchLimits & { name: string }, startedAtMs: number): WatchedLife {
    const known = this.#lives.get(config.name);
    if (known?.startedAtMs === startedAtMs) return known;
    const before = this.#end(config.name);
    const life = new WatchedLife(config, startedAtMs, before, this.#parts.nowMs());
    this.#lives.set(config.name, life);
    return life;
  }

  /** Returns the ring that it had: that of a killed process is there for a while. */
  #end(name: string): bigint | null {
    const life = this.#lives.get(name);
    this.#lives.delete(name);
    life?.[Symbol.dispose]();
    return life?.epochNs ?? null;
  }

  /** At the pictures that are due, as long as there is time for it. */
  async #lookAround(): Promise<void> {
    const { library, nowMs } = this.#parts;
    while (this.#creditMs > 0 && !this.#stopped) {
      const due = [...this.#lives.values()].filter((life) => life.isDue(nowMs()));
      if (due.length === 0) return;
      const life = due.reduce((first, other) => other.dueMs < first.dueMs ? other : first);
      const beganMs = nowMs();
      const asks = life.asks(beganMs);
      await life.look(library, asks ? ANSWER_MS_MAX : 0, nowMs);
      // An answer is waited for without any work.
      if (!asks) this.#creditMs -= nowMs() - beganMs;
    }
  }

  /** Resolves when no picture is looked at any more: the library may be closed then. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#looking;
    for (const name of [...this.#lives.keys()]) this.#end(name);
  }
}
