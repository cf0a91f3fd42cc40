/** ControlService: what a worker and the server say to one another beside rows and pictures. */

import * as grpc from "@grpc/grpc-js";
import type {
  ControlHello,
  ControlService,
  ControlStreamRequest,
} from "../proto/gen/telebridge/v1/control_pb.ts";
import type { IngestContext } from "./context.ts";
import type { ControlHub } from "./control_hub.ts";
import { type ControlCall, ControlSession } from "./control_session.ts";
import { endWithError, GrpcError, type Handlers } from "./grpc_service.ts";
import { checkStream } from "./stream_open.ts";

const COMMANDS_MAX = 64;
const COMMAND_NAME_CHARS_MAX = 128;
/** Said hello by then, or the call ends. */
const HELLO_MS_MAX = 10_000;

export function controlHandlers(
  context: IngestContext,
  hub: ControlHub,
): Handlers<typeof ControlService> {
  return { controlStream: (call) => void new ControlStream(call, context, hub) };
}

class ControlStream {
  readonly #call: ControlCall;
  readonly #context: IngestContext;
  readonly #hub: ControlHub;
  readonly #helloTimer: ReturnType<typeof setTimeout>;
  #session: ControlSession | null = null;
  #present: Disposable | null = null;

  constructor(call: ControlCall, context: IngestContext, hub: ControlHub) {
    this.#call = call;
    this.#context = context;
    this.#hub = hub;
    const late = new GrpcError(grpc.status.DEADLINE_EXCEEDED, "no hello came");
    this.#helloTimer = setTimeout(() => this.#fail(late), HELLO_MS_MAX);
    call.on("data", (request: ControlStreamRequest) => this.#receive(request));
    call.on("end", () => {
      this.#leave();
      call.end();
    });
    call.on("cancelled", () => this.#leave());
    call.on("error", () => this.#leave());
  }

  #receive(request: ControlStreamRequest): void {
    try {
      if (this.#session === null) this.#hello(request);
      else this.#handle(request, this.#session);
    } catch (error) {
      this.#fail(error);
    }
  }

  #hello({ message }: ControlStreamRequest): void {
    if (message.case !== "hello") {
      throw new GrpcError(grpc.status.INVALID_ARGUMENT, "the first message is not hello");
    }
    const hello = message.value;
    checkHello(hello);
    clearTimeout(this.#helloTimer);
    const session = new ControlSession(
      this.#call,
      hello,
      () => this.#context.library().clockMonoNs(),
    );
    this.#hub.join(session);
    this.#session = session;
    this.#present = this.#context.presence.enter(hello.runId);
  }

  #handle({ message }: ControlStreamRequest, session: ControlSession): void {
    switch (message.case) {
      case "ping":
        return session.onPing(message.value);
      case "ring":
        session.ring = message.value;
        return this.#hub.onRing(session);
      case "reply":
        return session.onReply(message.value);
      case "paused":
        session.paused = message.value;
        return;
      case "hello":
        throw new GrpcError(grpc.status.INVALID_ARGUMENT, "hello came twice");
    }
  }

  #fail(error: unknown): void {
    this.#leave();
    endWithError(this.#call, error);
  }

  #leave(): void {
    clearTimeout(this.#helloTimer);
    const session = this.#session;
    this.#session = null;
    this.#present?.[Symbol.dispose]();
    this.#present = null;
    session?.onClosed();
    if (session !== null) this.#hub.leave(session);
  }
}

function checkHello({ runId, streamId, commands }: ControlHello): void {
  checkStream(runId, streamId);
  const tooMany = commands.length > COMMANDS_MAX;
  if (tooMany || commands.some((name) => name.length > COMMAND_NAME_CHARS_MAX)) {
    throw new GrpcError(
      grpc.status.INVALID_ARGUMENT,
      `at most ${COMMANDS_MAX} commands, whose names have at most ${COMMAND_NAME_CHARS_MAX} characters`,
    );
  }
}
