/** All viewer sessions: their limit, and the list of runs that they all get. */

import { getLogger } from "@logtape/logtape";
import { encodeJson, MessageType } from "../proto/wire.ts";
import { guarded } from "./guard.ts";
import { Session, type SessionContext } from "./session.ts";
import type { RunListener } from "./registry.ts";
import type { Transport, TransportKind } from "./transport.ts";

/** Changes of runs that come together are told together. */
const CHANGES_SETTLE_MS = 50;

/**
 * Sessions without Hello at the same time. Beyond, the oldest is ended: a viewer says Hello at once, so that whoever
 * opens lanes and says nothing keeps nobody out.
 */
export const UNGREETED_MAX = 64;

/** What all sessions share. */
export type ServerContext = Omit<SessionContext, "admit" | "onClosed">;

const logger = getLogger(["telebridge", "sessions"]);

export class Sessions implements RunListener {
  readonly #context: ServerContext;
  readonly #sessionsMax: number;
  readonly #onFault: () => void;
  readonly #sessions = new Set<Session>();
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #runsText = "";
  #runsMessage: Uint8Array<ArrayBuffer> = new Uint8Array();
  #runsVersion = 0;
  #stopped = false;

  constructor(
    options: {
      context: ServerContext;
      sessionsMax: number;
      onFault: () => void;
    },
  ) {
    this.#context = options.context;
    this.#sessionsMax = options.sessionsMax;
    this.#onFault = options.onFault;
  }

  count(kind: TransportKind): number {
    return this.#sessions.values().filter(({ transport }) => transport.kind === kind).toArray()
      .length;
  }

  /** Opens a session on a lane; null when the server is stopping, and the lane is closed then. */
  open(transport: Transport): Session | null {
    if (this.#stopped) {
      transport.close({ reason: "the server is stopping", retry: true });
      return null;
    }
    const ungreeted = [...this.#sessions].filter((session) => !session.greeted);
    if (ungreeted.length >= UNGREETED_MAX) {
      ungreeted[0]!.close({ reason: "too many viewers have not said Hello", retry: true });
    }
    const session = new Session(transport, {
      ...this.#context,
      admit: () => this.#refusal(),
      onClosed: (closed, fault) => this.#onClosed(closed, fault),
    });
    this.#sessions.add(session);
    return session;
  }

  /** Why no further viewer has a place; null: it has. */
  #refusal(): string | null {
    const greetedCount = [...this.#sessions].filter((session) => session.greeted).length;
    if (greetedCount < this.#sessionsMax) return null;
    return `there are ${this.#sessionsMax} viewers already (--viewers-max)`;
  }

  #onClosed(session: Session, fault: string | null): void {
    this.#sessions.delete(session);
    if (fault === null) return;
    this.#onFault();
    logger.warn`ended a viewer's session (${session.transport.kind}): ${fault}`;
  }

  /** A run appeared, ended or failed: tells everybody soon. */
  onRunChange(): void {
    this.#settleTimer ??= setTimeout(() => {
      this.#settleTimer = undefined;
      guarded("telling viewers of the runs", () => this.sendRuns());
    }, CHANGES_SETTLE_MS);
  }

  onSecond(): void {
    this.sendRuns();
  }

  /** Sends the list of runs to everybody who has another one. */
  sendRuns(): void {
    if (this.#sessions.size === 0) return;
    const runs = this.#context.runs();
    const text = JSON.stringify(runs);
    if (text !== this.#runsText) {
      this.#runsText = text;
      this.#runsMessage = encodeJson(MessageType.Runs, 0, { runs });
      this.#runsVersion++;
    }
    for (const session of this.#sessions) session.sendRuns(this.#runsMessage, this.#runsVersion);
  }

  /** Says goodbye to everybody and takes nobody any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#settleTimer);
    for (const session of [...this.#sessions]) {
      session.close({ reason: "the server is stopping", retry: true });
    }
  }
}
