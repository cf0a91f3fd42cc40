/** One viewer's session, whatever lane carries it: greeting, subscriptions, commands, input, acks. */

import { getLogger } from "@logtape/logtape";
import { Input } from "../ffi/layout.ts";
import {
  type Bye,
  checkInputs,
  decodeAck,
  decodeDisplay,
  encodeJson,
  encodeProbeReply,
  INPUT_BYTES,
  InputKind,
  type Message,
  MessageType,
  type Reply,
  type RunSummary,
  WIRE_VERSION,
  WireError,
} from "../proto/wire.ts";
import type { Channel } from "./channel.ts";
import type { Channels } from "./channels.ts";
import { CommandError } from "./control_desk.ts";
import type { CommitsDesk } from "./durable/desk.ts";
import { LeftFrames } from "./left_frames.ts";
import {
  parseCommand,
  parseFollow,
  parseHello,
  parseReport,
  parseRoute,
  parseSubscribe,
} from "./messages.ts";
import { Subscription } from "./subscription.ts";
import type { Access, Authority } from "./tokens.ts";
import type { Transport } from "./transport.ts";
import { VERSION } from "./version.ts";

const logger = getLogger(["telebridge", "sessions"]);

const SUBSCRIPTIONS_MAX = 32;
/** A viewer that leaves so many bytes of control messages unread is gone or hostile. */
const UNREAD_BYTES_MAX = 1024 * 1024;
/** From here on it gets no list of runs until it has caught up. */
const RUNS_BACKLOG_BYTES_MAX = 64 * 1024;

export interface SessionContext {
  authority: Authority;
  channels: Channels;
  commits: CommitsDesk;
  clockNs: () => bigint;
  /** Changes with every start of the server. */
  instance: string;
  helloTimeoutMs: number;
  runs: () => RunSummary[];
  countInputEvents: (count: number) => void;
  /** Asked when a viewer has shown that it may be here: why there is no place for it; null: come in. */
  admit: () => string | null;
  /** Called once, when the session is over; `fault` tells that the viewer broke the rules. */
  onClosed: (session: Session, fault: string | null) => void;
}

/** What may come by datagram: each such message takes the place of the one before. */
const DATAGRAM_TYPES: ReadonlySet<number> = new Set([
  MessageType.Probe,
  MessageType.Ack,
  MessageType.Display,
]);

type Watching = { channel: Channel; subscription: Subscription };

export class Session {
  readonly transport: Transport;
  readonly #context: SessionContext;
  readonly #watching = new Map<number, Watching>();
  readonly #left = new LeftFrames(() => this.#onLeftWritten());
  #access: Access | null = null;
  #closed = false;
  #runsVersion = 0;
  #helloTimer: ReturnType<typeof setTimeout>;

  constructor(transport: Transport, context: SessionContext) {
    this.transport = transport;
    this.#context = context;
    this.#helloTimer = setTimeout(
      () => this.fault(`no Hello within ${context.helloTimeoutMs} ms`),
      context.helloTimeoutMs,
    );
  }

  /** Whether the viewer has shown that it may be here. */
  get greeted(): boolean {
    return this.#access !== null;
  }

  /** Takes the next message of the control stream. Bad ones end the session, never the server. */
  receive(message: Message): void {
    this.#guard(() => {
      if (this.#access === null) this.#hello(message);
      else this.#handle(message, this.#access, false);
    });
  }

  /** Takes a datagram of a viewer that has been greeted; others are early, and lost. */
  receiveDatagram(message: Message): void {
    if (this.#access === null) return;
    if (DATAGRAM_TYPES.has(message.type)) {
      this.#guard(() => this.#handle(message, this.#access!, true));
    }
  }

  #guard(work: () => void): void {
    if (this.#closed) return;
    try {
      work();
    } catch (error) {
      if (error instanceof WireError) return this.fault(error.message);
      // One viewer's message must not end the server, whatever it met.
      logger.error`a viewer's message failed: ${error}`;
      this.close({ reason: "the server failed; its log says more", retry: true });
    }
  }

  #hello(message: Message): void {
    if (message.type !== MessageType.Hello) throw new WireError("the first message is not Hello");
    const hello = parseHello(message.body);
    if (hello.version !== WIRE_VERSION) {
      throw new WireError(
        `the viewer speaks version ${hello.version}, this server ${WIRE_VERSION}`,
      );
    }
    const { authority } = this.#context;
    const access = hello.ticket !== undefined
      ? authority.redeemTicket(hello.ticket)
      : authority.accessOf(hello.token ?? "");
    if (access === null) throw new WireError("neither a valid ticket nor a valid token was given");
    clearTimeout(this.#helloTimer);
    const refusal = this.#context.admit();
    if (refusal !== null) return this.close({ reason: refusal, retry: true });
    this.#access = access;
    this.#send(encodeJson(MessageType.Welcome, 0, {
      version: WIRE_VERSION,
      server: VERSION,
      instance: this.#context.instance,
      access,
      runs: this.#context.runs(),
    }));
    this.#context.commits.join(this.transport);
  }

  #handle(message: Message, access: Access, datagram: boolean): void {
    if (this.transport.bytesPending > UNREAD_BYTES_MAX) {
      return this.fault("the viewer does not read what it is sent");
    }
    const watching = this.#watching.get(message.handle);
    switch (message.type) {
      case MessageType.Subscribe:
        return this.#subscribe(message);
      case MessageType.Unsubscribe:
        return this.#unsubscribe(message.handle);
      case MessageType.Command:
        return this.#command(message, access);
      case MessageType.Input:
        return this.#input(message, access);
      case MessageType.Probe: {
        const reply = encodeProbeReply(message.body, this.#context.clockNs());
        return datagram ? this.transport.sendUnreliable(reply) : this.#send(reply);
      }
      case MessageType.KeyframeRequest:
        return watching?.channel.onKeyframeRequest(watching.subscription);
      case MessageType.Display: {
        const display = decodeDisplay(message.body);
        return watching?.channel.onDisplay(watching.subscription, display);
      }
      case MessageType.Report: {
        const nowNs = Number(this.#context.clockNs());
        if (!watching?.subscription.mayReport(nowNs)) return;
        return watching.channel.onReport(parseReport(message.body));
      }
      case MessageType.Ack: {
        const ack = decodeAck(message.body);
        return watching?.channel.acked(watching.subscription, ack.frame);
      }
      case MessageType.Follow:
        return this.#context.commits.follow(this.transport, parseFollow(message.body).run);
      case MessageType.Route: {
        const { run, prefer } = parseRoute(message.body);
        if (access === "control") this.#context.commits.preferRoute(run, prefer);
        return;
      }
      default:
        throw new WireError(`a message of type ${message.type} is unknown here`);
    }
  }

  #subscribe({ handle, body }: Message): void {
    const { run, ...settings } = parseSubscribe(body);
    if (handle === 0) throw new WireError("Subscribe: handle 0 is the session");
    const known = this.#watching.get(handle);
    if (known?.channel.runId === run) return known.channel.configure(known.subscription, settings);
    this.#unsubscribe(handle);
    if (this.#watching.size >= SUBSCRIPTIONS_MAX) {
      throw new WireError(`a session has at most ${SUBSCRIPTIONS_MAX} subscriptions`);
    }
    const subscription = new Subscription(this.transport, this.#left, handle, settings);
    const channel = this.#context.channels.subscribe(run, subscription);
    this.#watching.set(handle, { channel, subscription });
  }

  #onLeftWritten(): void {
    for (const { subscription } of this.#watching.values()) subscription.onReady();
  }

  #unsubscribe(handle: number): void {
    const watching = this.#watching.get(handle);
    if (watching === undefined) return;
    this.#watching.delete(handle);
    this.#context.channels.unsubscribe(watching.channel, watching.subscription);
  }

  #command({ handle, body }: Message, access: Access): void {
    const command = parseCommand(body);
    const { id } = command;
    const reply = (text: Omit<Reply, "id">) =>
      this.#send(encodeJson(MessageType.Reply, handle, { id, ...text }));
    try {
      if (access !== "control") throw new CommandError("this token can watch, not touch");
      const watching = this.#watching.get(handle);
      if (watching === undefined) throw new CommandError(`nothing is watched as handle ${handle}`);
      const done = (taken?: boolean) => reply({ ok: true, taken });
      watching.channel.command(watching.subscription, command, done);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      reply({ ok: false, error: error.message });
    }
  }

  #input({ handle, body }: Message, access: Access): void {
    const events = checkInputs(body as Uint8Array<ArrayBuffer>);
    const view = new DataView(events.buffer, events.byteOffset, events.byteLength);
    const clamp = (offset: number) =>
      view.setFloat32(offset, Math.min(1, Math.max(0, view.getFloat32(offset, true))), true);
    for (let offset = 0; offset < events.byteLength; offset += INPUT_BYTES) {
      const kind = view.getUint32(offset, true);
      if (kind === InputKind.Command) {
        throw new WireError("Input: commands are messages of their own");
      }
      if (kind !== InputKind.Pointer) continue;
      // A drag that leaves the picture goes on at its edge.
      clamp(offset + Input.x);
      clamp(offset + Input.y);
    }
    const watching = this.#watching.get(handle);
    if (access !== "control" || watching === undefined) return;
    this.#context.countInputEvents(events.byteLength / INPUT_BYTES);
    watching.channel.input(watching.subscription, events);
  }

  /** Sends the list of runs, encoded once for all sessions, unless this viewer has that version or is behind. */
  sendRuns(message: Uint8Array<ArrayBuffer>, version: number): void {
    if (!this.greeted || this.#runsVersion === version) return;
    if (this.transport.bytesPending > RUNS_BACKLOG_BYTES_MAX) return;
    this.#runsVersion = version;
    this.#send(message);
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    if (!this.#closed) this.transport.send(message);
  }

  /** The viewer broke the rules: ends its session. */
  fault(reason: string): void {
    this.#end({ reason, retry: false }, reason);
  }

  /** Says goodbye. */
  close(bye: Bye): void {
    this.#end(bye, null);
  }

  /** The lane has ended by itself. */
  onTransportClosed(): void {
    this.#end(null, null);
  }

  #end(bye: Bye | null, fault: string | null): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#helloTimer);
    for (const handle of [...this.#watching.keys()]) this.#unsubscribe(handle);
    this.#context.commits.leave(this.transport);
    if (bye !== null) this.transport.close(bye);
    this.#context.onClosed(this, fault);
  }
}
