/** All viewer sessions: their limit, and the list of runs that they all get. */

import { getLogger } from "@logtape/logtape";
import { encodeJson, MessageType } from "../proto/wire.ts";
import { Session, type SessionContext } from "./session.ts";
import type { RunListener } from "./registry.ts";
import type { Transport, TransportKind } from "./transport.ts";

/** Changes of runs that come together are told together. */
const CHANGES_SETTLE_MS = 50;

const logger = getLogger(["telebridge", "sessions"]);

export class Sessions implements RunListener {
  readonly #context: Omit<SessionContext, "onClosed">;
  readonly #sessionsMax: number;
  readonly #onFault: () => void;
  readonly #sessions = new Set<Session>();
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #lastRuns = "";
  #stopped = false;

  constructor(
    options: {
      context: Omit<SessionContext, "onClosed">;
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

  /** Opens a session on a lane; null when there are too many, and the lane is closed then. */
  open(transport: Transport): Session | null {
    if (this.#stopped || this.#sessions.size >= this.#sessionsMax) {
      const reason = this.#stopped
        ? "the server is stopping"
        : `there are ${this.#sessionsMax} viewers already (--viewers-max)`;
      transport.close({ reason, retry: true });
      return null;
    }
    const session = new Session(transport, {
      ...this.#context,
      onClosed: (closed, fault) => this.#onClosed(closed, fault),
    });
    this.#sessions.add(session);
    return session;
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
      this.sendRuns();
    }, CHANGES_SETTLE_MS);
  }

  onSecond(): void {
    this.sendRuns();
  }

  /** Sends the list of runs when it is another than the last one sent. */
  sendRuns(): void {
    if (this.#sessions.size === 0) return;
    const runs = this.#context.runs();
    const text = JSON.stringify(runs);
    if (text === this.#lastRuns) return;
    this.#lastRuns = text;
    const message = encodeJson(MessageType.Runs, 0, { runs });
    for (const session of this.#sessions) session.sendRuns(message);
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
