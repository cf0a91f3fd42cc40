/** The ingest process, from the first message of `serve` to its last. */

import { getLogger } from "@logtape/logtape";
import type { IngestStart } from "../core/durable/feed.ts";
import { configureLogging } from "../core/logging.ts";
import { randomHex } from "../core/random.ts";
import type { Settings } from "../core/settings.ts";
import { Library } from "../ffi/library.ts";
import { ControlService } from "../proto/gen/telebridge/v1/control_pb.ts";
import { PublishService } from "../proto/gen/telebridge/v1/publish_pb.ts";
import type { IngestContext } from "./context.ts";
import { controlHandlers } from "./control.ts";
import { IngestFeed } from "./feed.ts";
import { frameHandlers } from "./frames.ts";
import { addService } from "./grpc_service.ts";
import { IngestMetrics } from "./metrics.ts";
import { Presence } from "./presence.ts";
import { startRemoteWorkers } from "./remote_workers.ts";
import { GrpcServers } from "./server.ts";

const INSTANCE_BYTES = 8;
const METRICS_MS = 1_000;
/** A run whose clients are all gone is lost after so long. */
const ABSENT_MS_MAX = 60_000;
/** For calls to end when the process shall. */
const DRAIN_MS = 1_000;
/** What this process makes is its user's alone. */
const UMASK = 0o077;

const logger = getLogger(["telebridge", "ingest"]);

/** Runs until `serve` says so. When `serve` dies, so does this, at once: nothing that is acked can be lost by it. */
export async function runIngest(): Promise<void> {
  Deno.umask(UMASK);
  // Ctrl-C in a terminal goes to all processes; `serve` says when to stop.
  for (const signal of ["SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
  const feed = new IngestFeed({ readable: Deno.stdin.readable, writable: Deno.stdout.writable });
  const stopped = Promise.withResolvers<void>();
  feed.on("stop", () => stopped.resolve());
  feed.on("start", async (start) => {
    await configureLogging(start.logLevel as Settings["logLevel"]);
    const ingest = await Ingest.start(start, feed);
    await stopped.promise;
    await ingest.stop();
    Deno.exit(0);
  });
  await feed.receive();
  Deno.exit(1);
}

class Ingest {
  readonly #context: IngestContext;
  readonly #servers: GrpcServers;
  readonly #stops: (() => void)[];

  private constructor(context: IngestContext, servers: GrpcServers, stops: (() => void)[]) {
    this.#context = context;
    this.#servers = servers;
    this.#stops = stops;
  }

  static async start(start: IngestStart, feed: IngestFeed): Promise<Ingest> {
    const stops: (() => void)[] = [];
    const context = makeContext(start, feed, stops);
    const remote = startRemoteWorkers(context);
    const control = controlHandlers(context, remote.hub);
    const publish = { ...frameHandlers(context, remote.frames) };
    const servers = new GrpcServers({
      tokens: start,
      addServices: (server) => {
        addService(server, ControlService, control);
        addService(server, PublishService, publish);
      },
    });
    const ports = await servers.listen(start);
    const ingest = new Ingest(context, servers, stops);
    ingest.#ready(ports);
    return ingest;
  }

  #ready(ports: { port: number; remotePort: number | null }): void {
    const { feed, instance, metrics } = this.#context;
    feed.send({ type: "ready", ...ports, instance });
    feed.send({ type: "state", state: { state: "ok", reason: "" } });
    const timer = setInterval(
      () => feed.offer({ type: "metrics", values: metrics.values() }),
      METRICS_MS,
    );
    this.#stops.push(() => clearInterval(timer));
    logger.info`gRPC on port ${ports.port}`;
  }

  async stop(): Promise<void> {
    await this.#servers.stop(DRAIN_MS);
    for (const stop of this.#stops.reverse()) stop();
  }
}

function makeContext(start: IngestStart, feed: IngestFeed, stops: (() => void)[]): IngestContext {
  const presence = new Presence({ absentMsMax: ABSENT_MS_MAX, onLost: () => {} });
  stops.push(() => presence[Symbol.dispose]());
  let library: Library | null = null;
  stops.push(() => library?.[Symbol.dispose]());
  return {
    start,
    instance: randomHex(INSTANCE_BYTES),
    feed,
    metrics: new IngestMetrics(),
    presence,
    library: () => library ??= Library.open(start.libraryPath),
    onStop: (stop) => stops.push(stop),
  };
}
