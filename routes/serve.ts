/** The whole server: put together, started, stopped. */

import { getLogger } from "@logtape/logtape";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type AgentsSetup, assembleAgents } from "../core/agents/assemble.ts";
import { Channels } from "../core/channels.ts";
import { SHORT_CERTIFICATE_LIFE_MS } from "../core/certificates.ts";
import { checkEncoder, describeEncoders, ENCODER_KINDS } from "../core/encoders.ts";
import { ingestSocketPath } from "../core/data_dir.ts";
import { CommitsDesk } from "../core/durable/desk.ts";
import type { DurableLane } from "../core/durable/lane.ts";
import { History } from "../core/durable/history.ts";
import { IngestSupervisor } from "../core/durable/supervisor.ts";
import { messageOf, UserError } from "../core/errors.ts";
import {
  bracketed,
  certifiedNames,
  HostRules,
  isAnyAddress,
  reachableNames,
} from "../core/hosts.ts";
import { Metrics } from "../core/metrics.ts";
import { pause } from "../core/pause.ts";
import { randomHex } from "../core/random.ts";
import { RunRegistry } from "../core/registry.ts";
import { watchSegments } from "../core/segments.ts";
import { Sessions } from "../core/sessions.ts";
import type { Settings } from "../core/settings.ts";
import { summarize } from "../core/summaries.ts";
import { loadTls, type TlsKeyPair } from "../core/tls.ts";
import { Authority } from "../core/tokens.ts";
import type { Library } from "../ffi/library.ts";
import type { RunSummary } from "../proto/wire.ts";
import type { App } from "./app.ts";
import { AssetFiles } from "./asset_files.ts";
import { createHttpServer } from "./http_server.ts";
import { QuicListener } from "./quic_listener.ts";
import { Snapshots } from "./snapshots.ts";
import { webSocketLane } from "./websocket.ts";
import { serveWebTransport } from "./webtransport.ts";

const HELLO_TIMEOUT_MS = 5_000;
const INSTANCE_BYTES = 8;
/** Time for goodbyes to leave. */
const GOODBYE_MS = 150;
/** We are ready without the ingest process when it takes longer than this to start. */
const INGEST_MS_MAX = 5_000;
const PORT_MAX = 65_535;

const logger = getLogger(["telebridge", "serve"]);

export interface ServeOptions {
  settings: Settings;
  dataDir: string;
  /** Eight hexadecimal digits. */
  dataDirId: string;
  controlToken: string;
  /** null: nobody may only watch. */
  viewToken: string | null;
  library: Library;
  bundlesDir: string;
  /** Where {@link library} was loaded from. */
  libraryPath: string;
  /** This program, to start the ingest process by: the executable and its first arguments. */
  program: readonly string[];
  agents: AgentsSetup;
  /** Life of WebTransport's certificates; they are renewed when three quarters of it are over. */
  certificateLifeMs?: number;
}

export interface RunningServer {
  /** Where a browser goes, without the token. */
  url: string;
  /** Where this machine's own processes go. */
  localHost: string;
  /** What HTTPS shows; null: plain HTTP. */
  certificatePem: string | null;
  /** TCP. */
  port: number;
  /** UDP; null when WebTransport cannot be had. */
  webTransportPort: number | null;
  /** TCP on loopback; null while the ingest process has not started. */
  grpcPort: number | null;
  /** Says goodbye to viewers, lets go of runs, closes ports. */
  stop: () => Promise<void>;
}

/** What serves runs, whatever the lanes are. */
interface Parts {
  metrics: Metrics;
  registry: RunRegistry;
  channels: Channels;
  authority: Authority;
  sessions: Sessions;
  snapshots: Snapshots;
  runs: () => RunSummary[];
}

/** Starts to serve. Throws {@link UserError} for what its user can repair: a taken port, a bad certificate. */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { settings } = options;
  const startedAtMs = Date.now();
  if (settings.encoder !== "auto") {
    checkEncoder(settings.encoder, await options.library.encoders());
  }
  const names = reachableNames(settings);
  const tls = await loadTls(settings, options.dataDir, certifiedNames(settings), startedAtMs);
  const durable = startIngest(options, tls);
  try {
    return await serveWith(options, { names, tls, durable, startedAtMs });
  } catch (error) {
    await durable.stop();
    throw error;
  }
}

/** What is there before the rest is put together. */
interface Given {
  names: string[];
  tls: TlsKeyPair | null;
  durable: IngestSupervisor;
  startedAtMs: number;
}

async function serveWith(options: ServeOptions, given: Given): Promise<RunningServer> {
  const { settings } = options;
  const { names, tls, durable, startedAtMs } = given;
  const parts = assemble(options, durable);
  const history = new History({ dataDir: options.dataDir });
  const { metrics, registry, sessions } = parts;
  const { library, program, dataDir } = options;
  const { supervisor, journals, watch } = assembleAgents(options.agents, {
    ...{ lane: durable, registry, library, program, dataDir },
  });
  observe(parts, history, startedAtMs);

  let quic: QuicListener | null = null;
  const app: App = {
    cookieName: `telebridge_${options.dataDirId}`,
    tls: tls !== null,
    startedAtMs,
    authority: parts.authority,
    hosts: new HostRules({ names, tls: tls !== null }),
    sessions,
    metrics,
    assets: new AssetFiles(options.bundlesDir),
    snapshots: parts.snapshots,
    runs: parts.runs,
    durable,
    history,
    agents: { supervisor, journals, reread: options.agents.reread },
    dataDir: options.dataDir,
    webTransport: () => quic?.offer ?? null,
  };
  const webSockets = webSocketLane(app);
  const http = createHttpServer(app, tls, webSockets.upgrade);
  const port = await listen(http, settings);
  registry.start();
  quic = await startQuic({
    host: settings.host,
    port,
    names,
    certificateLifeMs: options.certificateLifeMs ?? SHORT_CERTIFICATE_LIFE_MS,
    onSession: (session) => serveWebTransport(session, sessions, HELLO_TIMEOUT_MS),
    onError: () => metrics.countError("webtransport"),
  });

  await Promise.race([durable.firstAnswer, pause(INGEST_MS_MAX)]);
  supervisor.start();

  const probed = logEncoders(settings.encoder, options.library);
  return {
    url: `${tls === null ? "http" : "https"}://${urlHost(settings)}:${port}/`,
    localHost: localHost(settings),
    certificatePem: tls?.certificatePem ?? null,
    port,
    webTransportPort: quic?.offer.port ?? null,
    grpcPort: durable.endpoints.port,
    stop: async () => {
      // Their last words go through the ingest process.
      const durableStopped = supervisor.stop().then(() => durable.stop());
      await Promise.all([watch.stop(), stop(parts, http, webSockets, quic), durableStopped]);
      history.stop();
      await probed;
    },
  };
}

/** The live lane does not need it: when it cannot start, the state says so, and it is tried again. */
function startIngest(options: ServeOptions, tls: TlsKeyPair | null): IngestSupervisor {
  const { settings, dataDir, controlToken, viewToken, libraryPath } = options;
  const { grpcHost, grpcPort, batchRecords, batchMs, logLevel } = settings;
  const socketPath = ingestSocketPath(dataDir);
  if (socketPath === null) {
    logger
      .warn`${dataDir} is too long a name for a unix socket in it: workers use port ${grpcPort}`;
  }
  const remotePort = grpcPort === 0 || grpcPort === PORT_MAX ? 0 : grpcPort + 1;
  const remote = grpcHost === undefined || tls === null
    ? null
    : { host: grpcHost, port: remotePort, ...tls };
  return IngestSupervisor.start({
    command: [...options.program, "ingest"],
    start: {
      ...{ dataDir, socketPath, port: grpcPort, remote, controlToken, viewToken },
      ...{ libraryPath, batchRecords, batchMs, logLevel },
    },
  });
}

/** Probing takes up to a second the first time: it delays nobody. */
async function logEncoders(choice: Settings["encoder"], library: Library): Promise<void> {
  try {
    logger.info(describeEncoders(choice, await library.encoders()));
  } catch (error) {
    logger.warn`cannot tell what encodes video here: ${messageOf(error)}`;
  }
}

/** Puts the parts together; nothing runs yet. */
function assemble(options: ServeOptions, durable: DurableLane): Parts {
  const { settings, library } = options;
  const metrics = new Metrics();
  const registry = new RunRegistry({ library, nowMs: Date.now, watch: watchSegments });
  const video = {
    encoder: ENCODER_KINDS[settings.encoder],
    gopMs: Math.round((settings.gop ?? 0) * 1000),
    lane: settings.lane,
  };
  const onWatched = (runIds: ReadonlySet<string>) => durable.setWatched(runIds);
  const channels = new Channels({ library, registry, metrics, video, onWatched });
  const authority = new Authority({ ...options, nowMs: Date.now });
  const runs = () => summarize(registry, channels, Date.now(), durable.workers);
  const sessions = new Sessions({
    sessionsMax: settings.viewersMax,
    onFault: () => metrics.countError("session"),
    context: {
      authority,
      channels,
      commits: new CommitsDesk(durable),
      runs,
      instance: randomHex(INSTANCE_BYTES),
      helloTimeoutMs: HELLO_TIMEOUT_MS,
      clockNs: () => library.clockMonoNs(),
      countInputEvents: (count) => metrics.countInputEvents(count),
    },
  });
  registry.listen(channels);
  registry.listen(sessions);
  durable.listen({
    onWorkers: () => sessions.onRunChange(),
    onRoute: (runId, prefer) => registry.prefer(runId, prefer),
  });
  registry.listen({
    onRunChange() {},
    onSecond() {},
    onRunForgotten: (runId) => metrics.forgetRun(runId),
  });
  const snapshots = new Snapshots(library, registry);
  return { metrics, registry, channels, authority, sessions, snapshots, runs };
}

/** Lets the metrics ask the parts. */
function observe(parts: Parts, history: History, startedAtMs: number): void {
  const { metrics, registry, channels, sessions } = parts;
  metrics.observe({
    runsCount: (phase) =>
      registry.list().filter((run) => (run.reader === null) === (phase === "ended")).length,
    staleRemoved: () => registry.staleRemoved,
    historyRefused: () => history.refused,
    readCountersByRun: () => registry.readCounters(),
    viewersByRun: () => channels.viewersByRun(),
    streams: () => channels.streams(),
    sessionsCount: (kind) => sessions.count(kind),
    uptimeSeconds: () => (Date.now() - startedAtMs) / 1000,
  });
}

async function stop(
  parts: Parts,
  http: Server,
  webSockets: { stop(): void },
  quic: QuicListener | null,
): Promise<void> {
  parts.sessions.stop();
  webSockets.stop();
  const closed = closeHttp(http);
  await parts.channels.stop();
  await parts.snapshots.stop();
  parts.registry[Symbol.dispose]();
  await pause(GOODBYE_MS);
  quic?.stop();
  http.closeAllConnections();
  await closed;
}

/** The name that a browser can use, on another machine too where one can reach us. */
function urlHost(settings: Settings): string {
  const { host, allowHosts } = settings;
  return bracketed(isAnyAddress(host) ? allowHosts[0] ?? Deno.hostname() : host);
}

function localHost({ host }: Settings): string {
  if (!isAnyAddress(host)) return host;
  return host === "::" ? "::1" : "127.0.0.1";
}

function listen(server: Server, { host, port }: Settings): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (server.listening) return logger.error`the HTTP server: ${error.message}`;
    reject(
      new UserError(
        error.code === "EADDRINUSE"
          ? `port ${port} of ${host} is taken; take any free one with --port 0, or name another ` +
            `(telebridge doctor tells who has it)`
          : `cannot listen on ${bracketed(host)}:${port}: ${error.message}`,
      ),
    );
  });
  server.listen({ host, port }, () => resolve((server.address() as AddressInfo).port));
  return promise;
}

function closeHttp(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** WebTransport is a lane, not a need: without UDP the WebSocket carries everything. */
async function startQuic(
  options: Parameters<typeof QuicListener.start>[0],
): Promise<QuicListener | null> {
  try {
    return await QuicListener.start(options);
  } catch (error) {
    options.onError();
    logger.warn`no WebTransport, viewers use WebSockets: ${messageOf(error)}`;
    return null;
  }
}
