/** The server without HTTP: real rings, a real hub, sessions over lanes in memory. */

import { Channels } from "../../core/channels.ts";
import { CommitsDesk } from "../../core/durable/desk.ts";
import { Metrics } from "../../core/metrics.ts";
import { RunRegistry } from "../../core/registry.ts";
import { segmentNames, type WatchSegments } from "../../core/segments.ts";
import type { Session } from "../../core/session.ts";
import { Sessions } from "../../core/sessions.ts";
import { summarize } from "../../core/summaries.ts";
import { Authority } from "../../core/tokens.ts";
import { EncoderKind } from "../../ffi/stream.ts";
import type { Library } from "../../ffi/library.ts";
import {
  type Command,
  decodeMessage,
  encodeAck,
  encodeJson,
  MessageType,
  type Reply,
  type Subscribe,
  WIRE_VERSION,
} from "../../proto/wire.ts";
import type { TestBox } from "./box.ts";
import { DurableDouble } from "./durable_double.ts";
import { openLibrary } from "./library.ts";
import { MemoryLane } from "./memory_lane.ts";

export const CONTROL_TOKEN = "c".repeat(43);
export const VIEW_TOKEN = "v".repeat(43);
export const LIVE: Omit<Subscribe, "run"> = {
  fpsMax: 0,
  everyNth: 1,
  stayLive: true,
  lane: "auto",
  accepts: ["raw"],
};

const POLL_MS = 5;

/** The runtime's own watch would free the locks of rings that this process publishes (core/segments.ts). */
const watchByPolling: WatchSegments = (onChange) => {
  let present = new Set<string>();
  const timer = setInterval(() => {
    const now = new Set(segmentNames());
    for (const runId of now.symmetricDifference(present)) onChange(runId);
    present = now;
  }, POLL_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
};

export interface ServerCoreOptions {
  helloTimeoutMs?: number;
  sessionsMax?: number;
  onWatched?: (runIds: ReadonlySet<string>) => void;
}

/** A viewer of the core. */
export class TestViewer {
  readonly lane: MemoryLane;
  readonly session: Session;
  #commandsCount = 0;

  constructor(lane: MemoryLane, session: Session) {
    this.lane = lane;
    this.session = session;
  }

  receive(message: Uint8Array<ArrayBuffer>): void {
    this.session.receive(decodeMessage(message));
  }

  hello(token: string): this {
    this.receive(encodeJson(MessageType.Hello, 0, { version: WIRE_VERSION, token }));
    return this;
  }

  subscribe(handle: number, run: string, settings: Partial<Subscribe> = {}): this {
    this.receive(encodeJson(MessageType.Subscribe, handle, { run, ...LIVE, ...settings }));
    return this;
  }

  ack(handle: number, frame: number): void {
    this.receive(encodeAck(handle, { frame, framesShown: 1 }));
  }

  /** Gives a command and returns its reply. */
  command(handle: number, command: Omit<Command, "id">): Reply {
    const id = ++this.#commandsCount;
    this.receive(encodeJson(MessageType.Command, handle, { id, ...command }));
    return this.lane.last<Reply>(MessageType.Reply)!;
  }
}

export class ServerCore implements AsyncDisposable {
  readonly library: Library;
  readonly registry: RunRegistry;
  readonly channels: Channels;
  readonly sessions: Sessions;
  readonly metrics = new Metrics();
  readonly authority: Authority;
  readonly durable = new DurableDouble();

  private constructor({ helloTimeoutMs = 5_000, sessionsMax = 8, onWatched }: ServerCoreOptions) {
    const library = openLibrary();
    this.library = library;
    this.registry = new RunRegistry({ library, nowMs: Date.now, watch: watchByPolling });
    this.channels = new Channels({
      library,
      registry: this.registry,
      metrics: this.metrics,
      video: { encoder: EncoderKind.Auto, gopMs: 0, lane: "auto" },
      onWatched,
    });
    this.authority = new Authority({
      controlToken: CONTROL_TOKEN,
      viewToken: VIEW_TOKEN,
      nowMs: Date.now,
    });
    this.sessions = new Sessions({
      sessionsMax,
      onFault: () => {},
      context: {
        authority: this.authority,
        channels: this.channels,
        commits: new CommitsDesk(this.durable),
        clockNs: () => library.clockMonoNs(),
        instance: "test",
        helloTimeoutMs,
        runs: () => summarize(this.registry, this.channels, Date.now()),
        countInputEvents: () => {},
      },
    });
    this.registry.listen(this.channels);
    this.registry.listen(this.sessions);
    this.registry.start();
  }

  /** Sockets are in the box's folder. */
  static create(box: TestBox, options: ServerCoreOptions = {}): ServerCore {
    box.enter();
    return new ServerCore(options);
  }

  /** A viewer that has not said anything yet. */
  connect(): TestViewer {
    const lane = new MemoryLane();
    const session = this.sessions.open(lane);
    if (session === null) throw new Error(lane.bye!.reason);
    return new TestViewer(lane, session);
  }

  /** A viewer that may do everything. */
  viewer(token = CONTROL_TOKEN): TestViewer {
    return this.connect().hello(token);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sessions.stop();
    await this.channels.stop();
    this.registry[Symbol.dispose]();
    this.library[Symbol.dispose]();
  }
}
