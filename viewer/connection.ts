/**
 * The session with the server, kept for ever: opens it over the better lane, notices when it is gone, and opens it
 * again, until the page is closed or told that it may not.
 */

import {
  type Bye,
  decodeJson,
  decodeProbeReply,
  encodeProbe,
  type Message,
  MessageType,
  type Welcome,
} from "../proto/wire.ts";
import { backoffMs } from "./backoff.ts";
import type { ServerClock } from "./clock.ts";
import { ByeError, type OpenedLane } from "./handshake.ts";
import { type OpenLane, raceLanes } from "./lane_race.ts";
import { UnauthorisedError } from "./session_api.ts";
import type { Transport, TransportKind, TransportSink } from "./transport.ts";

/** What the page shows about the connection. */
export interface ConnectionStatus {
  /**
   * connecting: the first attempt; open; reconnecting: it was lost or never came, and is tried again; unauthorised:
   * the server does not know this page; refused: the server said goodbye for good.
   */
  phase: "connecting" | "open" | "reconnecting" | "unauthorised" | "refused";
  transport: TransportKind | null;
  /** Attempts since the session was last open. */
  attempts: number;
  /** Why it is not open. */
  reason: string | null;
  /** Version of the server's program. */
  server: string | null;
  /** Changes when the server was started anew. */
  instance: string | null;
  access: Welcome["access"] | null;
  /** Sessions opened so far. */
  sessions: number;
}

export interface ConnectionOptions {
  /** Opens a lane and greets; the sink gets everything after the greeting. */
  openLane(kind: TransportKind, sink: TransportSink, signal: AbortSignal): Promise<OpenedLane>;
  forcedLane: TransportKind | null;
  clock: ServerClock;
  random(): number;
  onStatus(status: ConnectionStatus): void;
  /** The session is open: subscribe. */
  onOpen(welcome: Welcome): void;
  /** A message other than the session's own (Welcome, Bye, ProbeReply). */
  onMessage(message: Message): void;
  onFrame(bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): void;
}

/** Probes: a burst to find the offset, then a steady beat that also proves that the server is alive. */
const PROBE_BURST = 8;
const PROBE_BURST_MS = 40;
const PROBE_MS = 500;
/**
 * Silence for this long is the end of a session. A server killed in mid-session sends no goodbye over QUIC. TCP tells of
 * one, and its answers to probes wait behind a frame, which takes seconds on a slow tunnel.
 */
const SILENCE_MS_MAX: Readonly<Record<TransportKind, number>> = {
  webtransport: 3_000,
  websocket: 30_000,
};

export class Connection {
  readonly #options: ConnectionOptions;
  #transport: Transport | null = null;
  #attempt: AbortController | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #probeTimer: ReturnType<typeof setTimeout> | undefined;
  #probesSent = 0;
  #heardAtMs = 0;
  status: ConnectionStatus = {
    phase: "connecting",
    transport: null,
    attempts: 0,
    reason: null,
    server: null,
    instance: null,
    access: null,
    sessions: 0,
  };

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Opens the session; also cuts a wait for the next attempt short. Does nothing while one is open or being opened. */
  async open(): Promise<void> {
    if (this.#transport !== null || this.#attempt !== null) return;
    clearTimeout(this.#retryTimer);
    const attempt = this.#attempt = new AbortController();
    const openLane: OpenLane<OpenedLane & { sink: LaneSink }> = async (kind, signal) => {
      const sink = new LaneSink(this);
      return { ...await this.#options.openLane(kind, sink, signal), sink };
    };
    try {
      const discard = (late: OpenedLane) => late.transport.close();
      const opened = await raceLanes(
        openLane,
        discard,
        this.#options.forcedLane,
        attempt.signal,
      );
      this.#attempt = null;
      if (attempt.signal.aborted) return opened.transport.close();
      this.#opened(opened);
      opened.sink.begin();
    } catch (error) {
      this.#attempt = null;
      if (!attempt.signal.aborted) this.#failed(error as Error);
    }
  }

  close(): void {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#probeTimer);
    this.#attempt?.abort();
    this.#transport?.close();
    this.#transport = null;
  }

  /** Sends in order; dropped while the session is not open, since everything is said anew when it opens. */
  send(message: Uint8Array<ArrayBuffer>): void {
    this.#transport?.send(message);
  }

  sendUnreliable(message: Uint8Array<ArrayBuffer>): void {
    this.#transport?.sendUnreliable(message);
  }

  #opened({ transport, welcome }: OpenedLane): void {
    this.#transport = transport;
    this.#options.clock.reset();
    this.#heardAtMs = performance.now();
    this.#probesSent = 0;
    this.#probe();
    // Before the status: what belongs to the old session must be gone when the page hears of the new one.
    this.#options.onOpen(welcome);
    this.#setStatus({
      phase: "open",
      transport: transport.kind,
      attempts: 0,
      reason: null,
      server: welcome.server,
      instance: welcome.instance,
      access: welcome.access,
      sessions: this.status.sessions + 1,
    });
  }

  #probe(): void {
    if (this.#transport === null) return;
    const nowMs = performance.now();
    const silenceMsMax = SILENCE_MS_MAX[this.#transport.kind];
    if (nowMs - this.#heardAtMs > silenceMsMax) return this.lost("the server fell silent");
    this.sendUnreliable(encodeProbe(nowMs));
    this.#probesSent++;
    const pauseMs = this.#probesSent < PROBE_BURST ? PROBE_BURST_MS : PROBE_MS;
    this.#probeTimer = setTimeout(() => this.#probe(), pauseMs);
  }

  #failed(error: Error): void {
    if (error instanceof UnauthorisedError) {
      this.#setStatus({ phase: "unauthorised", transport: null, reason: error.message });
    } else if (error instanceof ByeError && !error.bye.retry) {
      this.#setStatus({ phase: "refused", transport: null, reason: error.message });
    } else this.#retryLater(error.message);
  }

  #retryLater(reason: string): void {
    const pauseMs = backoffMs(this.status.attempts, this.#options.random());
    this.#setStatus({
      phase: "reconnecting",
      transport: null,
      attempts: this.status.attempts + 1,
      reason,
    });
    this.#retryTimer = setTimeout(() => this.open(), pauseMs);
  }

  #setStatus(change: Partial<ConnectionStatus>): void {
    this.status = { ...this.status, ...change };
    this.#options.onStatus(this.status);
  }

  /** The open session is gone. */
  lost(reason: string): void {
    if (this.#transport === null) return;
    clearTimeout(this.#probeTimer);
    this.#transport.close();
    this.#transport = null;
    this.#retryLater(reason);
  }

  receive(message: Message): void {
    const receivedAtMs = performance.now();
    this.#heardAtMs = receivedAtMs;
    if (message.type === MessageType.ProbeReply) {
      const { tPageMs, tServerNs } = decodeProbeReply(message.body);
      this.#options.clock.addSample(tPageMs, receivedAtMs, Number(tServerNs) / 1e6);
    } else if (message.type === MessageType.Bye) {
      const bye = decodeJson(message.body) as Bye;
      this.lost(bye.reason);
      if (!bye.retry) {
        clearTimeout(this.#retryTimer);
        this.#failed(new ByeError(bye));
      }
    } else this.#options.onMessage(message);
  }

  receiveFrame(bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): void {
    this.#heardAtMs = receivedAtMs;
    this.#options.onFrame(bytes, receivedAtMs);
  }
}

/**
 * What one lane delivers to, from its greeting on. A lane that lost the race delivers nothing; one that won may deliver
 * before the race is decided, and that is kept until then.
 */
class LaneSink implements TransportSink {
  readonly #connection: Connection;
  #early: (() => void)[] | null = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The lane carries the session from now on. */
  begin(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const deliver of early) deliver();
  }

  onMessage(message: Message): void {
    if (this.#early === null) this.#connection.receive(message);
    else this.#early.push(() => this.#connection.receive(message));
  }

  onFrame(bytes: Uint8Array<ArrayBuffer>, receivedAtMs: number): void {
    // No lane is subscribed before its session is open.
    if (this.#early === null) this.#connection.receiveFrame(bytes, receivedAtMs);
  }

  onClose(reason: string): void {
    if (this.#early === null) this.#connection.lost(reason);
    else this.#early.push(() => this.#connection.lost(reason));
  }
}
