/** One run that is watched: subscribes whenever a session opens, acknowledges what was drawn, and takes input back. */

import {
  type CommandName,
  decodeHud,
  decodeJson,
  type Display,
  encodeAck,
  encodeBinary,
  encodeDisplay,
  encodeInputs,
  encodeJson,
  type HudValues,
  INPUT_EVENTS_PER_MESSAGE_MAX,
  type InputEvent,
  type LaneKind,
  type Message,
  MessageType,
  type StreamState,
  type Subscribe,
  type ViewerReport,
} from "../proto/wire.ts";
import type { Connection } from "./connection.ts";
import { createInputGate, openInputGate, passInput } from "./input_gate.ts";
import type { StreamSettings } from "./messages.ts";

const HANDLE_MAX = 0xffff;
const NOTHING = new Uint8Array(0);

export class Subscription {
  readonly run: string;
  readonly #connection: Pick<Connection, "send" | "sendUnreliable">;
  readonly #inputGate = createInputGate();
  #settings: StreamSettings;
  /** Lanes that this page can draw. */
  #accepts: LaneKind[];
  /** 0 while not subscribed. Each subscription has a new one, so that late messages of an old one are told apart. */
  #handle = 0;
  #handlesUsed = 0;
  #frameDone = 0;
  #ackedAtMs = 0;
  /** Of the producer whose numbers are here; outlives sessions. */
  #epoch: string | null = null;
  /** null until the server has told. */
  state: StreamState | null = null;
  hud: HudValues | null = null;

  constructor(
    run: string,
    settings: StreamSettings,
    accepts: LaneKind[],
    connection: Pick<Connection, "send" | "sendUnreliable">,
  ) {
    this.run = run;
    this.#settings = settings;
    this.#accepts = accepts;
    this.#connection = connection;
  }

  get active(): boolean {
    return this.#handle !== 0;
  }

  owns(handle: number): boolean {
    return this.active && handle === this.#handle;
  }

  /** Begins anew, on this session or on the next. */
  begin(): void {
    this.#handle = this.#handlesUsed++ % HANDLE_MAX + 1;
    this.#frameDone = 0;
    this.#sendSubscribe();
  }

  end(): void {
    if (!this.active) return;
    this.#connection.send(encodeBinary(MessageType.Unsubscribe, this.#handle, NOTHING));
    this.#handle = 0;
  }

  /** The session is gone, and this subscription with it: also what it had, control and pause. */
  forget(): void {
    this.#handle = 0;
    this.state = null;
  }

  /** The server hears of what concerns it; the rest is the presenter's and the display's. */
  set settings(settings: StreamSettings) {
    const before = JSON.stringify(this.#subscribe());
    this.#settings = settings;
    if (this.active && JSON.stringify(this.#subscribe()) !== before) this.#sendSubscribe();
  }

  /** The page cannot draw that lane after all: the server sends by another. */
  refuse(lane: LaneKind): void {
    if (!this.#accepts.includes(lane)) return;
    this.#accepts = this.#accepts.filter((accepted) => accepted !== lane);
    if (this.active) this.#sendSubscribe();
  }

  /** The producer whose numbers come; null until the server has told. */
  get epoch(): string | null {
    return this.#epoch;
  }

  /** Nothing more becomes of frames up to `frame`; `framesShown` were drawn so far. */
  ack(frame: number, framesShown: number, nowMs: number): void {
    if (!this.active || frame === 0) return;
    this.#frameDone = frame;
    this.#ackedAtMs = nowMs;
    this.#connection.sendUnreliable(encodeAck(this.#handle, { frame, framesShown }));
  }

  /** Says the last ack again when it is `repeatMs` old, since a datagram may have been lost. */
  repeatAck(framesShown: number, nowMs: number, repeatMs: number): void {
    if (nowMs - this.#ackedAtMs >= repeatMs) this.ack(this.#frameDone, framesShown, nowMs);
  }

  command(id: number, command: CommandName, code?: number, value?: number): void {
    const body = { id, command, code, value };
    this.#connection.send(encodeJson(MessageType.Command, this.#handle, body));
  }

  input(events: InputEvent[]): void {
    if (this.active) this.#sendInput(passInput(this.#inputGate, events));
  }

  /** A picture is there: input has a meaning from now on. */
  pictureShown(): void {
    if (!this.#inputGate.isOpen && this.active) this.#sendInput(openInputGate(this.#inputGate));
  }

  requestKeyframe(): void {
    if (!this.active) return;
    this.#connection.send(encodeBinary(MessageType.KeyframeRequest, this.#handle, NOTHING));
  }

  /** Tells when the display takes pictures. */
  sendDisplay(display: Display): void {
    if (this.active) this.#connection.sendUnreliable(encodeDisplay(this.#handle, display));
  }

  sendReport(report: ViewerReport): void {
    if (this.active) {
      this.#connection.send(encodeJson(MessageType.Report, this.#handle, report));
    }
  }

  #sendInput(events: InputEvent[]): void {
    for (let begin = 0; begin < events.length; begin += INPUT_EVENTS_PER_MESSAGE_MAX) {
      const batch = events.slice(begin, begin + INPUT_EVENTS_PER_MESSAGE_MAX);
      this.#connection.send(encodeInputs(this.#handle, batch));
    }
  }

  /** Takes a message of this subscription. */
  receive(message: Message): void {
    if (message.type === MessageType.Hud) this.hud = decodeHud(message.body);
    else if (message.type === MessageType.State) {
      const state = decodeJson(message.body) as StreamState;
      // Another producer under the same name: its numbers begin anew, and old acks must not cover its frames.
      if (this.#epoch !== state.epoch) {
        this.hud = null;
        this.#frameDone = 0;
      }
      this.#epoch = state.epoch;
      this.state = state;
    }
  }

  #subscribe(): Subscribe {
    const { fpsMax, everyNth, stayLive, lane } = this.#settings;
    return { run: this.run, fpsMax, everyNth, stayLive, lane, accepts: this.#accepts };
  }

  #sendSubscribe(): void {
    this.#connection.send(encodeJson(MessageType.Subscribe, this.#handle, this.#subscribe()));
  }
}
