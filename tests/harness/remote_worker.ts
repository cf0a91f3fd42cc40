/** A worker on another machine, as far as the server can tell: a gRPC client whose boot id is another one. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { grpcDefinition } from "../../proto/grpc_definition.ts";
import {
  type ControlHelloSchema,
  ControlService,
  type ControlStreamRequestSchema,
  type ControlStreamResponse,
} from "../../proto/gen/telebridge/v1/control_pb.ts";
import {
  type FrameSchema,
  type PublishFramesRequestSchema,
  type PublishFramesResponse,
  PublishService,
} from "../../proto/gen/telebridge/v1/publish_pb.ts";
import { deferHttp2Close } from "../../proto/http2_close.ts";
import { waitFor } from "./wait.ts";

type ControlMessage = ControlStreamResponse["message"];
type Case = NonNullable<ControlMessage["case"]>;
type ValueOf<Name extends Case> = Extract<ControlMessage, { case: Name }>["value"];

/** Fields that a message may be made of. */
export type FrameInit = Exclude<MessageInitShape<typeof FrameSchema>, { $typeName: string }>;

/** What a client needs to know of a server; a Serve is one. */
export interface GrpcTarget {
  ready: { token: string; grpcPort: number };
}

interface Owner {
  onEnd(stop: () => Promise<void>): void;
}

function connect(
  box: Owner,
  { ready }: GrpcTarget,
  service: typeof ControlService | typeof PublishService,
) {
  deferHttp2Close();
  const definition = grpcDefinition(service as never) as unknown as grpc.ServiceDefinition;
  const Client = grpc.makeGenericClientConstructor(definition, service.name);
  const client = new Client(`127.0.0.1:${ready.grpcPort}`, grpc.credentials.createInsecure(), {
    "grpc.max_send_message_length": -1,
    "grpc.use_local_subchannel_pool": 1,
  });
  box.onEnd(() => Promise.resolve(client.close()));
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${ready.token}`);
  return { client, metadata };
}

/** How a call ended. */
interface Ending {
  code: grpc.status;
  details: string;
}

abstract class Call<Request, Response> {
  readonly answers: Response[] = [];
  ending: Ending | null = null;
  protected readonly stream: grpc.ClientDuplexStream<Request, Response>;

  constructor(box: Owner, stream: grpc.ClientDuplexStream<Request, Response>) {
    this.stream = stream;
    stream.on("data", (answer: Response) => this.answers.push(answer));
    stream.on("status", ({ code, details }: grpc.StatusObject) => this.ending = { code, details });
    stream.on("error", () => {});
    box.onEnd(() => Promise.resolve(stream.cancel()));
  }

  write(request: Request): void {
    this.stream.write(request);
  }

  /** Says goodbye. */
  end(): void {
    this.stream.end();
  }

  /** Is cut. */
  cut(): void {
    this.stream.cancel();
  }

  ended(): Promise<Ending> {
    return waitFor("the call's end", () => this.ending);
  }
}

type ControlRequest = MessageInitShape<typeof ControlStreamRequestSchema>;

export class RemoteControl extends Call<ControlRequest, ControlStreamResponse> {
  /** Opens a control stream and says hello. */
  static open(
    box: Owner,
    serve: GrpcTarget,
    hello: MessageInitShape<typeof ControlHelloSchema>,
  ): RemoteControl {
    const { client, metadata } = connect(box, serve, ControlService);
    const call = new RemoteControl(box, client.controlStream!(metadata));
    call.write({ message: { case: "hello", value: hello } });
    return call;
  }

  /** All that came of a kind, oldest first. */
  all<Name extends Case>(name: Name): ValueOf<Name>[] {
    return this.answers.filter(({ message }) => message.case === name)
      .map(({ message }) => message.value as ValueOf<Name>);
  }

  last<Name extends Case>(name: Name): ValueOf<Name> | undefined {
    return this.all(name).at(-1);
  }

  /** Waits until the newest of a kind satisfies `test`. */
  when<Name extends Case>(name: Name, test: (value: ValueOf<Name>) => boolean): Promise<unknown> {
    const passes = () => {
      const last = this.last(name);
      return last !== undefined && test(last);
    };
    return waitFor(`${name} of the control stream`, passes, () => this.ending ?? "another");
  }
}

type FramesRequest = MessageInitShape<typeof PublishFramesRequestSchema>;

export class RemoteFramesCall extends Call<FramesRequest, PublishFramesResponse> {
  #number = 0n;

  static open(
    box: Owner,
    serve: GrpcTarget,
    runId: string,
    streamId: Uint8Array,
  ): RemoteFramesCall {
    const { client, metadata } = connect(box, serve, PublishService);
    const call = new RemoteFramesCall(box, client.publishFrames!(metadata));
    call.write({ open: { runId, streamId } });
    return call;
  }

  /** Sends a frame with the next number. */
  publish(frame: FrameInit): void {
    this.write({ frame: { number: ++this.#number, ...frame } });
  }

  async taken(number: number): Promise<PublishFramesResponse> {
    return await waitFor(
      `frame ${number} to be taken`,
      () => this.answers.find(({ taken }) => taken >= BigInt(number)),
      () => this.ending,
    );
  }
}
