/** PublishFrames: pictures of workers on other machines, published into local rings. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type {
  PublishFramesRequest,
  PublishFramesResponseSchema,
  PublishService,
} from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { IngestContext } from "./context.ts";
import { endWithError, GrpcError, type Handlers } from "./grpc_service.ts";
import type { RemoteFrames, RemoteStream } from "./remote_frames.ts";
import { checkStream } from "./stream_open.ts";

type FramesCall = grpc.ServerDuplexStream<
  PublishFramesRequest,
  MessageInitShape<typeof PublishFramesResponseSchema>
>;

/** Unanswered frames of a client: one on its way while another is taken, and no queue. */
const FRAMES_IN_FLIGHT_MAX = 3;
/** A client that leaves so many answers unread is gone or hostile. */
const UNREAD_ANSWERS_MAX = 1024;

export function frameHandlers(
  context: IngestContext,
  frames: RemoteFrames,
): Pick<Handlers<typeof PublishService>, "publishFrames"> {
  return { publishFrames: (call) => void new FramesStream(call, context, frames) };
}

class FramesStream {
  readonly #call: FramesCall;
  readonly #context: IngestContext;
  readonly #frames: RemoteFrames;
  #stream: RemoteStream | null = null;
  #present: Disposable | null = null;
  #over = false;

  constructor(call: FramesCall, context: IngestContext, frames: RemoteFrames) {
    this.#call = call;
    this.#context = context;
    this.#frames = frames;
    call.on("data", (request: PublishFramesRequest) => this.#receive(request));
    call.on("end", () => {
      this.#leave();
      call.end();
    });
    call.on("cancelled", () => this.#leave());
    call.on("error", () => this.#leave());
  }

  #receive({ open, frame }: PublishFramesRequest): void {
    if (this.#over) return;
    try {
      if (this.#stream === null) {
        if (open === undefined) {
          throw new GrpcError(
            grpc.status.INVALID_ARGUMENT,
            "the first message does not open a run",
          );
        }
        this.#open(open.runId, open.streamId);
      }
      if (frame !== undefined) this.#stream!.take(frame);
      this.#answer(this.#stream!);
    } catch (error) {
      this.#fail(error);
    }
  }

  #open(runId: string, streamId: Uint8Array): void {
    checkStream(runId, streamId);
    this.#stream = this.#frames.open(runId, streamId.toHex(), (error) => this.#fail(error));
    this.#present = this.#context.presence.enter(runId);
  }

  #answer({ taken, segment }: RemoteStream): void {
    if (this.#call.writableLength >= UNREAD_ANSWERS_MAX) {
      throw new GrpcError(grpc.status.RESOURCE_EXHAUSTED, "the client does not read its answers");
    }
    this.#call.write({ taken, framesInFlightMax: FRAMES_IN_FLIGHT_MAX, segment });
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#leave();
    endWithError(this.#call, error);
  }

  #leave(): void {
    this.#over = true;
    this.#stream?.[Symbol.dispose]();
    this.#present?.[Symbol.dispose]();
    this.#stream = this.#present = null;
  }
}
