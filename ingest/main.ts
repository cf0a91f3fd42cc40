/** The ingest process, from the first message of `serve` to its last. */

import { getLogger } from "@logtape/logtape";
import type { IngestStart } from "../core/durable/feed.ts";
import { History } from "../core/durable/history.ts";
import { configureLogging } from "../core/logging.ts";
import { randomHex } from "../core/random.ts";
import type { Settings } from "../core/settings.ts";
import { databasePath } from "../core/storage/paths.ts";
import { Library } from "../ffi/library.ts";
import { ControlService } from "../proto/gen/telebridge/v1/control_pb.ts";
import { PublishService } from "../proto/gen/telebridge/v1/publish_pb.ts";
import { RunService } from "../proto/gen/telebridge/v1/runs_pb.ts";
import { CheckpointFiles } from "./checkpoint_files.ts";
import { CheckpointDesk } from "./checkpoints.ts";
import type { IngestContext } from "./context.ts";
import { controlHandlers } from "./control.ts";
import { IngestFeed } from "./feed.ts";
import { FollowFeed } from "./follow_feed.ts";
import { frameHandlers } from "./frames.ts";
import { addService } from "./grpc_service.ts";
import { expectRunning, markLost } from "./lost_runs.ts";
import { JournalDesk } from "./journals.ts";
import { IngestMetrics } from "./metrics.ts";
import { Presence } from "./presence.ts";
import { PublishDesk } from "./publish.ts";
import { startRemoteWorkers } from "./remote_workers.ts";
import { RunBus } from "./run_bus.ts";
import { RunDesk } from "./runs.ts";
import { GrpcServers } from "./server.ts";
import { StoreClient } from "./store_client.ts";
import { observeStore } from "./store_metrics.ts";
import { watchWal } from "./wal_watch.ts";

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
  // The kernel's word that `serve` is gone; the end of its pipe says so, too.
  Deno.addSignalListener("SIGTERM", () => Deno.exit(1));
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

interface Parts {
  context: IngestContext;
  servers: GrpcServers;
  publish: PublishDesk;
  stops: (() => void)[];
}

class Ingest {
  readonly #context: IngestContext;
  readonly #servers: GrpcServers;
  readonly #publish: PublishDesk;
  readonly #stops: (() => void)[];

  private constructor({ context, servers, publish, stops }: Parts) {
    this.#context = context;
    this.#servers = servers;
    this.#publish = publish;
    this.#stops = stops;
  }

  static async start(start: IngestStart, feed: IngestFeed): Promise<Ingest> {
    const stops: (() => void)[] = [];
    const context = makeContext(start, feed, stops);
    const remote = startRemoteWorkers(context);
    const control = controlHandlers(context, remote.hub);
    const publish = new PublishDesk(context, ({ credits, reason }) => {
      remote.hub.offerCredits({ rows: credits, reason });
    });
    const files = new CheckpointFiles(context);
    const runs = new RunDesk(context, files).handlers();
    const publishing = {
      ...publish.handlers(),
      ...new CheckpointDesk(context, files).handlers(),
      ...frameHandlers(context, remote.frames),
    };
    new FollowFeed(context);
    new JournalDesk(context);
    observeStore(context);
    watchWal(context.store);
    const servers = new GrpcServers({
      tokens: start,
      addServices: (server) => {
        addService(server, ControlService, control);
        addService(server, PublishService, publishing);
        addService(server, RunService, runs);
      },
    });
    const ports = await servers.listen(start);
    const ingest = new Ingest({ context, servers, publish, stops });
    ingest.#ready(ports);
    context.store.opened.then(() => {
      expectRunning(context);
      files.removeUnused();
    });
    return ingest;
  }

  #ready(ports: { port: number; remotePort: number | null }): void {
    const { feed, instance, metrics } = this.#context;
    feed.send({ type: "ready", ...ports, instance });
    this.#publish.tellState();
    const timer = setInterval(
      () => feed.offer({ type: "metrics", values: metrics.values() }),
      METRICS_MS,
    );
    this.#stops.push(() => clearInterval(timer));
    logger.info`gRPC on port ${ports.port}`;
  }

  async stop(): Promise<void> {
    await this.#publish.stop();
    await this.#servers.stop(DRAIN_MS);
    for (const stop of this.#stops.reverse()) stop();
    await this.#context.store.close();
  }
}

function makeContext(start: IngestStart, feed: IngestFeed, stops: (() => void)[]): IngestContext {
  const presence = new Presence({
    absentMsMax: ABSENT_MS_MAX,
    onLost: (runId) => void markLost(context, runId),
  });
  stops.push(() => presence[Symbol.dispose]());
  const history = new History(start);
  stops.push(() => history.stop());
  let library: Library | null = null;
  stops.push(() => library?.[Symbol.dispose]());
  const context: IngestContext = {
    start,
    instance: randomHex(INSTANCE_BYTES),
    feed,
    metrics: new IngestMetrics(),
    presence,
    store: new StoreClient({ ...start, databasePath: databasePath(start.dataDir) }),
    history,
    bus: new RunBus(),
    nowUnixNs: () => BigInt(Date.now()) * 1_000_000n,
    runsChanged: () => feed.send({ type: "runs" }),
    library: () => library ??= Library.open(start.libraryPath),
    onStop: (stop) => stops.push(stop),
  };
  return context;
}
