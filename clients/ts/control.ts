/** What the server asks of the worker: pause, a cap, input, commands, pictures. One call as long as a connection lasts. */

import { create, toBinary } from "@bufbuild/protobuf";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { readFileSync } from "node:fs";
import {
  type Command,
  type ControlPong,
  ControlService,
  ControlStreamRequestSchema,
  type ControlStreamResponse,
} from "../../proto/gen/telebridge/v1/control_pb.ts";
import type { Channel } from "./channel.ts";
import { monotonicNs } from "./clock.ts";
import {
  COMMAND_NAME_CHARS_MAX,
  COMMANDS_MAX,
  INPUTS_MAX,
  PING_MS,
  SILENCE_MS_MAX,
} from "./limits.ts";

const INPUT_BYTES = 32;
/** The offset is that of the quickest of so many pings (RFC 5905, section 10: the clock filter). */
const PINGS_REMEMBERED = 8;

/** An event of a viewer with control, as docs/ring.md has it. */
export interface InputEvent {
  /** 1 pointer, 2 wheel, 3 key, 4 resize, 5 command, 6 release all. */
  kind: number;
  code: number;
  x: number;
  y: number;
  buttons: number;
  modifiers: number;
  /** CLOCK_MONOTONIC of the server. */
  tNs: bigint;
}

/** A segment of shared memory on this machine that has the run's pictures too. */
export interface RingIdentity {
  /** st_dev and st_ino of the segment. */
  device: bigint;
  inode: bigint;
  /** The ring header's epoch_ns. */
  epochNs: bigint;
}

const NO_RING: RingIdentity = { device: 0n, inode: 0n, epochNs: 0n };

/** Takes what was given and returns what JSON can hold; what it throws is the caller's answer. */
export type CommandHandler = (args: unknown) => unknown;

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return ""; // not Linux
  }
}

/** The state outlives connections. */
export class Controls {
  readonly #handlers = new Map<string, CommandHandler>();
  ring = NO_RING;
  paused = false;
  /** 0 = no cap. */
  rateMaxMhz = 0;
  /** Somebody watches, and pictures can come by gRPC only. */
  framesWanted = false;
  keyframeRequests = 0n;
  inputsDropped = 0;
  #inputs: InputEvent[] = [];

  get commands(): string[] {
    return [...this.#handlers.keys()];
  }

  handlerOf(command: string): CommandHandler | undefined {
    return this.#handlers.get(command);
  }

  /** Returns whether the name is a new one. Throws where the server would refuse it. */
  setHandler(name: string, handler: CommandHandler): boolean {
    const isNew = !this.#handlers.has(name);
    if (name.length > COMMAND_NAME_CHARS_MAX) {
      throw new TypeError(
        `run.onCommand: the name has ${name.length} characters, expected at most ${COMMAND_NAME_CHARS_MAX}`,
      );
    }
    if (isNew && this.#handlers.size >= COMMANDS_MAX) {
      throw new RangeError(`run.onCommand: "${name}" is one too many, at most ${COMMANDS_MAX}`);
    }
    this.#handlers.set(name, handler);
    return isNew;
  }

  /** Oldest first; empties the queue. */
  takeInputs(): InputEvent[] {
    return this.#inputs.splice(0);
  }

  /** When nobody takes them, the oldest give way. */
  addInputs(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + INPUT_BYTES <= bytes.byteLength; at += INPUT_BYTES) {
      this.#inputs.push({
        kind: view.getUint32(at, true),
        code: view.getUint32(at + 4, true),
        x: view.getFloat32(at + 8, true),
        y: view.getFloat32(at + 12, true),
        buttons: view.getUint32(at + 16, true),
        modifiers: view.getUint32(at + 20, true),
        tNs: view.getBigUint64(at + 24, true),
      });
    }
    const surplus = Math.max(0, this.#inputs.length - INPUTS_MAX);
    this.#inputs.splice(0, surplus);
    this.inputsDropped += surplus;
  }

  /** Nobody is there who could ask for anything. */
  letGo(): void {
    this.paused = false;
    this.rateMaxMhz = 0;
    this.framesWanted = false;
  }
}

interface ControlEvents {
  /** Something that was asked for has changed. */
  onChange(): void;
  /** The server has been silent for too long. */
  onSilence(): void;
}

export class ControlCall {
  readonly #controls: Controls;
  readonly #events: ControlEvents;
  readonly #call: ClientDuplexStream<Uint8Array, ControlStreamResponse>;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #offsets: { roundTripNs: bigint; offsetNs: bigint }[] = [];
  #heardAtMs = performance.now();
  #isOver = false;

  constructor(
    channel: Channel,
    hello: { runId: string; streamId: Uint8Array<ArrayBuffer> },
    controls: Controls,
    events: ControlEvents,
  ) {
    this.#controls = controls;
    this.#events = events;
    this.#call = channel.open(ControlService.method.controlStream);
    this.#call.on("data", (response: ControlStreamResponse) => this.#onResponse(response));
    // Whether the connection is gone is told by the rows' calls; without control the run goes on.
    this.#call.on("error", () => this.close());
    this.#call.on("end", () => this.close());
    const ring = { bootId: bootId(), ...controls.ring };
    this.#send({ case: "hello", value: { ...hello, ring, commands: controls.commands } });
    this.#timer = setInterval(() => this.#ping(), PING_MS);
    this.#ping();
  }

  #send(
    message: NonNullable<
      Parameters<typeof create<typeof ControlStreamRequestSchema>>[1]
    >["message"],
  ) {
    if (this.#isOver) return;
    this.#call.write(
      toBinary(ControlStreamRequestSchema, create(ControlStreamRequestSchema, { message })),
    );
  }

  /** The segment has come, or is another one now. */
  tellRing(): void {
    this.#send({ case: "ring", value: { bootId: bootId(), ...this.#controls.ring } });
  }

  #ping(): void {
    if (performance.now() - this.#heardAtMs > SILENCE_MS_MAX) {
      this.close();
      return this.#events.onSilence();
    }
    const best = this.#offsets.toSorted((a, b) => Number(a.roundTripNs - b.roundTripNs))[0];
    this.#send({
      case: "ping",
      value: {
        sentMonoNs: monotonicNs(),
        ...(best === undefined ? {} : { offsetNs: best.offsetNs }),
      },
    });
  }

  /** RFC 5905, section 8. */
  #onPong({ sentMonoNs, receivedMonoNs, answeredMonoNs }: ControlPong): void {
    const nowNs = monotonicNs();
    this.#offsets.push({
      roundTripNs: nowNs - sentMonoNs - (answeredMonoNs - receivedMonoNs),
      offsetNs: (receivedMonoNs - sentMonoNs + (answeredMonoNs - nowNs)) / 2n,
    });
    if (this.#offsets.length > PINGS_REMEMBERED) this.#offsets.shift();
  }

  #onResponse({ message }: ControlStreamResponse): void {
    this.#heardAtMs = performance.now();
    const controls = this.#controls;
    switch (message.case) {
      case "pong":
        return this.#onPong(message.value);
      case "command":
        return void this.#answer(message.value);
      case "inputs":
        return controls.addInputs(message.value.events);
      case "pause":
        controls.paused = message.value;
        this.#send({ case: "paused", value: message.value });
        break;
      case "rateMaxMhz":
        controls.rateMaxMhz = message.value;
        break;
      case "keyframeRequests":
        controls.keyframeRequests = message.value;
        break;
      case "route":
        controls.framesWanted = message.value.publishFrames;
        break;
    }
    this.#events.onChange();
  }

  async #answer({ id, name, argsJson }: Command): Promise<void> {
    const handler = this.#controls.handlerOf(name);
    const reply = (ok: boolean, resultJson: string) =>
      this.#send({ case: "reply", value: { id, ok, resultJson } });
    if (handler === undefined) return reply(false, `this worker has no command "${name}"`);
    try {
      const result = await handler(argsJson === "" ? null : JSON.parse(argsJson));
      reply(true, JSON.stringify(result) ?? "null");
    } catch (error) {
      reply(false, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    }
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#controls.letGo();
    this.#events.onChange();
    this.#call.end();
  }
}
