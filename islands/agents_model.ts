/** The agents that the server supervises, as long as somebody looks: read once a second, and not while the page is hidden. */

import { computed, effect, signal, untracked } from "@preact/signals";
import type { AgentStatus } from "../proto/agents.ts";
import type { AgentAction, commandAgent, fetchAgents } from "./agents_api.ts";
import type { ViewerClient } from "./viewer_client.ts";

const READ_MS = 1_000;
/** Where there is none to show, one may still be declared: telebridge agents reload. */
const READ_NONE_MS = 15_000;

/** What a person asked of an agent and has to say yes to. */
export interface AgentQuestion {
  name: string;
  action: AgentAction;
}

export interface AgentsModelOptions {
  /** The page is of this run alone; null: of all. */
  run: string | null;
  fetch: typeof fetchAgents;
  command: typeof commandAgent;
}

export class AgentsModel {
  readonly #options: AgentsModelOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isReading = false;
  /** Server's clock less this browser's, ms. */
  #clockOffsetMs = 0;
  /** null: not known yet. */
  readonly agents = signal<AgentStatus[] | null>(null);
  /** Why they could not be read last; what stands here is from before then. */
  readonly error = signal<string | null>(null);
  readonly question = signal<AgentQuestion | null>(null);
  /** What could not be done for a person, by agent. */
  readonly refusals = signal<Readonly<Record<string, string>>>({});
  /** Agents that were told something and have not answered. */
  readonly busy = signal<ReadonlySet<string>>(new Set());
  /** There is something to show. */
  readonly hasAgents = computed(() => {
    const { run } = this.#options;
    return run === null ? (this.agents.value?.length ?? 0) > 0 : this.agent(run) !== null;
  });

  constructor(options: AgentsModelOptions) {
    this.#options = options;
  }

  /** Reads from the client's first session on, and with each anew. */
  readWith({ sessions }: ViewerClient): void {
    document.addEventListener("visibilitychange", () => {
      if (sessions.peek() > 0) this.read();
    });
    effect(() => {
      if (sessions.value > 0) untracked(() => this.read());
    });
  }

  agent(name: string): AgentStatus | null {
    return this.agents.value?.find((agent) => agent.name === name) ?? null;
  }

  /** The server's time, ms since 1970. */
  get nowMs(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  /** Now, and again after a while. */
  async read(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#isReading || document.visibilityState === "hidden") return;
    this.#isReading = true;
    try {
      const { agents, nowMs } = await this.#options.fetch();
      this.#clockOffsetMs = nowMs - Date.now();
      this.agents.value = agents;
      this.error.value = null;
    } catch (error) {
      this.error.value = (error as Error).message;
    }
    this.#isReading = false;
    const delayMs = this.hasAgents.value || this.error.value !== null ? READ_MS : READ_NONE_MS;
    this.#timer = setTimeout(() => this.read(), delayMs);
  }

  /** What ends a process that runs is asked about first. */
  ask(agent: AgentStatus, action: AgentAction): void {
    const ends = agent.pid !== null && action !== "start";
    if (ends) this.question.value = { name: agent.name, action };
    else this.act({ name: agent.name, action });
  }

  async act({ name, action }: AgentQuestion): Promise<void> {
    this.question.value = null;
    this.busy.value = new Set([...this.busy.value, name]);
    const { [name]: _, ...others } = this.refusals.value;
    this.refusals.value = others;
    try {
      const status = await this.#options.command(name, action);
      this.agents.value = this.agents.value?.map((agent) => agent.name === name ? status : agent) ??
        null;
    } catch (error) {
      this.refusals.value = { ...others, [name]: (error as Error).message };
    }
    this.busy.value = new Set([...this.busy.value].filter((other) => other !== name));
    await this.read();
  }
}
