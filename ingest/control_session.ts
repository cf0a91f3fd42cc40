/** One worker's control stream: what it told of itself, and what it was told. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Input } from "../ffi/layout.ts";
import type {
  CommandReply,
  ControlHello,
  ControlPing,
  ControlStreamRequest,
  ControlStreamResponseSchema,
} from "../proto/gen/telebridge/v1/control_pb.ts";
import type { RingIdentity } from "../proto/gen/telebridge/v1/runs_pb.ts";
import { endWithError, GrpcError } from "./grpc_service.ts";

export type ControlCall = grpc.ServerDuplexStream<
  ControlStreamRequest,
  MessageInitShape<typeof ControlStreamResponseSchema>
>;
type ControlMessage = MessageInitShape<typeof ControlStreamResponseSchema>["message"];

/** A client that leaves so many messages unread is gone or hostile. */
const UNREAD_MESSAGES_MAX = 1024;
/** Commands that wait for their replies. */
const COMMANDS_WAITING_MAX = 64;
const COMMAND_MS_MAX = 10_000;
/** A reply's JSON, UTF-16 units. */
const RESULT_CHARS_MAX = 64 * 1024;

/** What viewers ask of the worker. */
export interface Steering {
  pause: boolean;
  /** 0 = no cap. */
  rateMaxMhz: number;
  /** All that were ever asked for. */
  keyframeRequests: bigint;
}

export interface CreditsOffer {
  rows: number;
  /** "" when all is well. */
  reason: string;
}

export type CommandDone = (ok: boolean, resultJson: string) => void;

interface WaitingCommand {
  done: CommandDone;
  timer: ReturnType<typeof setTimeout>;
}

export class ControlSession {
  readonly runId: string;
  /** Hexadecimal. */
  readonly streamId: string;
  readonly commands: readonly string[];
  readonly connectedAtMs = Date.now();
  ring: RingIdentity | undefined;
  /** The worker waits, since it was asked to pause. */
  paused = false;
  readonly #call: ControlCall;
  readonly #clockNs: () => bigint;
  readonly #waiting = new Map<bigint, WaitingCommand>();
  #commandsCount = 0n;
  #offsetNs: bigint | null = null;
  #steering: Steering = { pause: false, rateMaxMhz: 0, keyframeRequests: 0n };
  #route: { publishFrames: boolean; reason: string } | null = null;
  #credits: CreditsOffer | null = null;
  #ended = false;

  constructor(call: ControlCall, hello: ControlHello, clockNs: () => bigint) {
    this.#call = call;
    this.#clockNs = clockNs;
    this.runId = hello.runId;
    this.streamId = hello.streamId.toHex();
    this.commands = hello.commands;
    this.ring = hello.ring;
  }

  /** Our CLOCK_MONOTONIC less the worker's, as it estimates it; null: not known yet. */
  get offsetNs(): bigint | null {
    return this.#offsetNs;
  }

  /** The worker is asked to publish its pictures here. */
  get publishes(): boolean {
    return this.#route?.publishFrames ?? false;
  }

  /** A time of ours by the worker's clock. */
  toWorkerNs(tNs: bigint): bigint {
    return BigInt.asUintN(64, tNs - (this.#offsetNs ?? 0n));
  }

  /** Answers with the times that RFC 5905, section 8, estimates an offset from. */
  onPing({ sentMonoNs, offsetNs }: ControlPing): void {
    const receivedMonoNs = this.#clockNs();
    if (offsetNs !== undefined) this.#offsetNs = offsetNs;
    this.#send({
      case: "pong",
      value: { sentMonoNs, receivedMonoNs, answeredMonoNs: this.#clockNs() },
    });
  }

  onReply({ id, ok, resultJson }: CommandReply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return; // late, or made up
    if (resultJson.length <= RESULT_CHARS_MAX) return this.#settle(id, ok, resultJson);
    this.#settle(id, false, `the reply has over ${RESULT_CHARS_MAX} characters`);
  }

  /** Each word is sent when it has changed. */
  steer(steering: Steering): void {
    const before = this.#steering;
    this.#steering = steering;
    const { pause, rateMaxMhz, keyframeRequests } = steering;
    if (pause !== before.pause) this.#send({ case: "pause", value: pause });
    if (rateMaxMhz !== before.rateMaxMhz) this.#send({ case: "rateMaxMhz", value: rateMaxMhz });
    if (keyframeRequests !== before.keyframeRequests) {
      this.#send({ case: "keyframeRequests", value: keyframeRequests });
    }
  }

  /** Viewers ask for nothing any more. */
  release(): void {
    this.steer({ ...this.#steering, pause: false, rateMaxMhz: 0 });
  }

  /** Whole events of the ring. */
  sendInputs(events: Uint8Array): void {
    if (events.byteLength % Input.bytes !== 0) throw new Error("input that is cut in an event");
    this.#send({ case: "inputs", value: { events } });
  }

  route(publishFrames: boolean, reason: string): void {
    const before = this.#route;
    if (before?.publishFrames === publishFrames && before.reason === reason) return;
    this.#route = { publishFrames, reason };
    this.#send({ case: "route", value: this.#route });
  }

  offerCredits(credits: CreditsOffer): void {
    if (credits.rows === this.#credits?.rows && credits.reason === this.#credits.reason) return;
    this.#credits = credits;
    this.#send({ case: "credits", value: credits });
  }

  /** `done` is called once: with the reply's JSON, or with a failure's message. */
  command(name: string, argsJson: string, done: CommandDone): void {
    if (this.#waiting.size >= COMMANDS_WAITING_MAX) {
      return done(false, `${COMMANDS_WAITING_MAX} commands wait for run "${this.runId}" already`);
    }
    const id = ++this.#commandsCount;
    const late = `no reply within ${COMMAND_MS_MAX / 1000} s`;
    const timer = setTimeout(() => this.#settle(id, false, late), COMMAND_MS_MAX);
    this.#waiting.set(id, { done, timer });
    this.#send({ case: "command", value: { id, name, argsJson } });
  }

  #settle(id: bigint, ok: boolean, resultJson: string): void {
    const { done, timer } = this.#waiting.get(id)!;
    this.#waiting.delete(id);
    clearTimeout(timer);
    done(ok, resultJson);
  }

  #send(message: ControlMessage): void {
    if (this.#ended) return;
    if (this.#call.writableLength < UNREAD_MESSAGES_MAX) return void this.#call.write({ message });
    this.fail(
      new GrpcError(grpc.status.RESOURCE_EXHAUSTED, "the client does not read what it is sent"),
    );
  }

  /** Ends the call with a status. */
  fail(error: GrpcError): void {
    if (this.#ended) return;
    this.#ended = true;
    endWithError(this.#call, error);
  }

  /** The call is over. */
  onClosed(): void {
    this.#ended = true;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, false, "the worker is gone");
  }
}
