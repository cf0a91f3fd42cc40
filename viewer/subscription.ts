/** One run that is watched: subscribes whenever a session opens, acknowledges what was drawn, and takes input back. */

import {
  type CommandName,
  decodeHud,
  decodeJson,
  encodeAck,
  encodeBinary,
  encodeInputs,
  encodeJson,
  type HudValues,
  INPUT_EVENTS_PER_MESSAGE_MAX,
  type InputEvent,
  type Message,
  MessageType,
  type StreamState,
} from "../proto/wire.ts";
import type { Connection } from "./connection.ts";
import type { StreamSettings } from "./messages.ts";

const HANDLE_MAX = 0xffff;
const NOTHING = new Uint8Array(0);

export class Subscription {
  readonly run: string;
  readonly #connection: Connection;
  #settings: StreamSettings;
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

  constructor(run: string, settings: StreamSettings, connection: Connection) {
    this.run = run;
    this.#settings = settings;
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

  set settings(settings: StreamSettings) {
    this.#settings = settings;
    if (this.active) this.#sendSubscribe();
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
    if (!this.active) return;
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

  #sendSubscribe(): void {
    const { fpsMax, everyNth, stayLive, lane } = this.#settings;
    const body = { run: this.run, fpsMax, everyNth, stayLive, lane, accepts: ["raw"] };
    this.#connection.send(encodeJson(MessageType.Subscribe, this.#handle, body));
  }
}
