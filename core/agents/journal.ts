/**
 * One agent's run in the store, as `serve` tells of it: it goes on, says something, and ends. What the ingest process
 * has not said to be committed is kept here and told again, to the next ingest process too.
 */

import { getLogger } from "@logtape/logtape";
import type { JournalAnswer, JournalMessage } from "../durable/feed.ts";
import { randomHex } from "../random.ts";
import type { LogRow } from "../storage/records.ts";
import type { AgentClock } from "./agent.ts";

/** Lines that are not stored yet: beyond, the newest are dropped and counted, and a line says so where they were. */
const LINES_MAX = 10_000;
const TEXT_CHARS_MAX = 4 * 1024 * 1024;
/** What one message takes of them. */
const LINES_PER_MESSAGE = 512;
/** Where nothing can be stored, it is tried again after so long. */
const RETRY_MS = 1_000;
const STREAM_BYTES = 16;
const NS_PER_MS = 1_000_000n;
const LEVELS = { info: 2, warning: 3, error: 4 } as const;

const logger = getLogger(["telebridge", "agents"]);

export interface JournalOptions {
  runId: string;
  clock: AgentClock;
  /** To the ingest process, if there is one. */
  send(message: JournalMessage): void;
}

/** From a begin to its end: a stream of the run's. */
interface Session {
  streamId: string;
  startTimeUnixNs: bigint;
  metadataJson: string;
  /** The metadata is stored. A client in the agent may have stored its own since. */
  registered: boolean;
  /** This ingest process knows it. */
  opened: boolean;
  /** Of `lines`, the sequence of the first one. */
  firstSequence: bigint;
  lines: LogRow[];
  end: { timeUnixNs: bigint; state: "finished" | "failed"; reason: string } | null;
}

export class RunJournal {
  readonly #options: JournalOptions;
  /** The first is told of; later ones wait. All but the last have ended. */
  readonly #sessions: Session[] = [];
  #linesCount = 0;
  #textChars = 0;
  #linesDropped = 0;
  /** Since the last line that was taken. */
  #droppedNow = 0;
  #asked = false;
  #cancelRetry = () => {};
  #toWrite: (() => void)[] = [];

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  get linesDropped(): number {
    return this.#linesDropped;
  }

  /** Resolves when all that was said is stored. */
  get written(): Promise<void> {
    if (this.#isWritten) return Promise.resolve();
    return new Promise((resolve) => this.#toWrite.push(resolve));
  }

  get #isWritten(): boolean {
    return this.#sessions.every(({ opened, lines, end }) =>
      opened && lines.length === 0 && end === null
    );
  }

  /** The run goes on from here. */
  begin(metadata: Record<string, unknown>): void {
    this.#sessions.push({
      streamId: randomHex(STREAM_BYTES),
      startTimeUnixNs: this.#nowUnixNs(),
      metadataJson: JSON.stringify(metadata),
      registered: false,
      opened: false,
      firstSequence: 1n,
      lines: [],
      end: null,
    });
    this.#tell();
  }

  line(source: "stdout" | "stderr" | "keeper", text: string): void {
    this.#add({ level: source === "keeper" ? LEVELS.warning : LEVELS.info, source, text });
  }

  /** A word of the supervisor's own, in the server's log too. */
  note(level: keyof typeof LEVELS, text: string): void {
    logger[level]`agent ${this.#options.runId}: ${text}`;
    this.#add({ level: LEVELS[level], source: "supervisor", text });
  }

  /** Nothing more is said of it until it begins again. */
  end(state: "finished" | "failed", reason: string): void {
    const session = this.#sessions.at(-1);
    if (session === undefined || session.end !== null) return;
    session.end = { timeUnixNs: this.#nowUnixNs(), state, reason };
    this.#tell();
  }

  onReady(): void {
    this.#cancelRetry();
    this.#asked = false;
    for (const session of this.#sessions) session.opened = false;
    this.#tell();
  }

  onAnswer({ streamId, outcome, committed }: JournalAnswer): void {
    const session = this.#sessions[0];
    if (session?.streamId !== streamId) return;
    this.#asked = false;
    switch (outcome) {
      case "opened":
        session.opened = true;
        session.registered = true;
        this.#forget(session, committed);
        break;
      case "committed":
        this.#forget(session, committed);
        break;
      case "closed":
        this.#sessions.shift();
        break;
      case "gone":
        // Somebody deleted the run under it: it is made anew, with what is to come.
        session.streamId = randomHex(STREAM_BYTES);
        session.firstSequence = 1n;
        session.opened = false;
        session.registered = false;
        return this.#retry();
      case "failed":
        session.opened = false;
        return this.#retry();
    }
    this.#tell();
    if (this.#isWritten) { for (const resolve of this.#toWrite.splice(0)) resolve(); }
  }

  #add({ level, source, text }: Pick<LogRow, "level" | "source" | "text">): void {
    const session = this.#sessions.at(-1);
    if (session === undefined || session.end !== null) return;
    if (this.#linesCount >= LINES_MAX || this.#textChars + text.length > TEXT_CHARS_MAX) {
      this.#linesDropped++;
      this.#droppedNow++;
      return;
    }
    if (this.#droppedNow > 0) {
      const dropped = `${this.#droppedNow} lines were dropped here: they could not be stored`;
      this.#droppedNow = 0;
      this.note("warning", dropped);
    }
    this.#linesCount++;
    this.#textChars += text.length;
    session.lines.push({ timeUnixNs: this.#nowUnixNs(), level, source, text, step: null });
    this.#tell();
  }

  /** Lines up to this one are stored. */
  #forget(session: Session, committed: bigint): void {
    const stored = Number(committed - session.firstSequence + 1n);
    for (const { text } of session.lines.splice(0, Math.max(0, stored))) {
      this.#linesCount--;
      this.#textChars -= text.length;
    }
    session.firstSequence = committed + 1n;
  }

  /** Says the next thing, unless the answer to the one before is still to come. */
  #tell(): void {
    const session = this.#sessions[0];
    if (session === undefined || this.#asked) return;
    const message = this.#nextMessage(session);
    if (message === null) return;
    this.#asked = true;
    this.#options.send(message);
  }

  #nextMessage(session: Session): JournalMessage | null {
    const { runId } = this.#options;
    const { streamId, startTimeUnixNs, opened, firstSequence, lines, end } = session;
    const whose = { runId, streamId };
    if (!opened) {
      const metadataJson = session.registered ? "" : session.metadataJson;
      return { ...whose, type: "journal-open", startTimeUnixNs, metadataJson };
    }
    if (lines.length > 0) {
      const next = lines.slice(0, LINES_PER_MESSAGE);
      return { ...whose, type: "journal-lines", firstSequence, lines: next };
    }
    return end === null ? null : { ...whose, type: "journal-close", ...end };
  }

  #retry(): void {
    this.#cancelRetry();
    this.#asked = true;
    this.#cancelRetry = this.#options.clock.after(RETRY_MS, () => {
      this.#asked = false;
      this.#tell();
    });
  }

  #nowUnixNs(): bigint {
    return BigInt(Math.round(this.#options.clock.nowMs())) * NS_PER_MS;
  }
}
