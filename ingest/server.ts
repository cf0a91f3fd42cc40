/**
 * Where gRPC is listened for: a unix socket, loopback, and where asked an address for other machines. The sockets are
 * accepted here, so that connections can be counted and bounded, and handed to grpc-js.
 */

import * as grpc from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { messageOf } from "../core/errors.ts";
import { removeIfAny } from "../core/files.ts";
import { deferHttp2Close } from "../proto/http2_close.ts";
import { tokenInterceptor, type Tokens } from "./auth.ts";
import { FRAME_MESSAGE_BYTES_MAX, messageLimitInterceptor } from "./message_limit.ts";

/** Of each listener. A client process needs one. */
const CONNECTIONS_MAX = 512;
/** Calls at the same time on one connection. */
const STREAMS_MAX = 128;
/** A connection that has not said a word of HTTP/2 by then is closed. */
const GREETING_MS_MAX = 10_000;
/** The client's preface and its SETTINGS frame (RFC 9113, section 3.4). */
const GREETING_BYTES_MIN = 24 + 9;
/** A connection without calls is closed after so long; a client opens another when it needs one. */
const IDLE_MS_MAX = 120_000;
/** A peer that vanished without a word is found out by pings. */
const KEEPALIVE_MS = 20_000;
const KEEPALIVE_ANSWER_MS_MAX = 20_000;

const LOOPBACK = "127.0.0.1";

const logger = getLogger(["telebridge", "ingest"]);

export interface Listeners {
  /** 0600; null: none. */
  socketPath: string | null;
  /** TCP on loopback; 0 = any. */
  port: number;
  /** null: none. */
  remote: { host: string; port: number; certificatePem: string; privateKeyPem: string } | null;
}

export interface BoundPorts {
  port: number;
  remotePort: number | null;
}

export class GrpcServers {
  readonly #servers: grpc.Server[] = [];
  readonly #acceptors: NetServer[] = [];
  readonly #addServices: (server: grpc.Server) => void;
  readonly #tokens: Tokens;

  /** `addServices` is called for each server; who comes by the unix socket needs no token. */
  constructor(options: { tokens: Tokens; addServices: (server: grpc.Server) => void }) {
    deferHttp2Close();
    this.#tokens = options.tokens;
    this.#addServices = options.addServices;
  }

  /** Listens. A port that is taken is a reason to take another, since clients are told which it is. */
  async listen({ socketPath, port, remote }: Listeners): Promise<BoundPorts> {
    if (socketPath !== null) {
      removeIfAny(socketPath); // a killed process left it: the data directory is ours alone, by its lock
      await bind(this.#acceptor([]), { path: socketPath });
    }
    const guards = [tokenInterceptor(this.#tokens)];
    const bound = await bindPort(() => this.#acceptor(guards), LOOPBACK, port);
    if (remote === null) return { port: bound, remotePort: null };
    const remotePort = await bindPort(
      () => this.#acceptor(guards, remote),
      remote.host,
      remote.port,
    );
    return { port: bound, remotePort };
  }

  /** Accepts nobody new, and gives calls `drainMs` to end. */
  async stop(drainMs: number): Promise<void> {
    for (const acceptor of this.#acceptors) acceptor.close();
    const drained = Promise.all(
      this.#servers.map((server) =>
        new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      ),
    );
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, drainMs));
    await Promise.race([drained, late]);
    clearTimeout(timer);
    for (const server of this.#servers) server.forceShutdown();
  }

  #acceptor(
    guards: readonly grpc.ServerInterceptor[],
    tls?: { certificatePem: string; privateKeyPem: string },
  ): NetServer {
    const server = new grpc.Server({
      "grpc.enable_channelz": 0,
      "grpc.max_receive_message_length": FRAME_MESSAGE_BYTES_MAX,
      "grpc.max_concurrent_streams": STREAMS_MAX,
      "grpc.max_connection_idle_ms": IDLE_MS_MAX,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_ANSWER_MS_MAX,
      interceptors: [messageLimitInterceptor, ...guards],
    });
    this.#addServices(server);
    this.#servers.push(server);
    const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
    const accept = (socket: Socket) => {
      boundGreeting(socket);
      injector.injectConnection(socket);
    };
    const acceptor = tls === undefined ? createServer(accept) : createTlsServer({
      cert: tls.certificatePem,
      key: tls.privateKeyPem,
      ALPNProtocols: ["h2"],
      handshakeTimeout: GREETING_MS_MAX,
    }, accept);
    acceptor.maxConnections = CONNECTIONS_MAX;
    this.#acceptors.push(acceptor);
    return acceptor;
  }
}

/** Closes a connection that says nothing. */
function boundGreeting(socket: Socket): void {
  socket.on("error", () => {}); // grpc-js sees the end of the session, and that is all there is to it
  const timer = setTimeout(() => {
    if (socket.bytesRead < GREETING_BYTES_MIN) socket.destroy();
  }, GREETING_MS_MAX);
  socket.once("close", () => clearTimeout(timer));
}

async function bindPort(
  makeAcceptor: () => NetServer,
  host: string,
  port: number,
): Promise<number> {
  try {
    return await bind(makeAcceptor(), { host, port });
  } catch (error) {
    if (port === 0) throw error;
    const other = await bind(makeAcceptor(), { host, port: 0 });
    logger.warn`gRPC listens on port ${other} of ${host}, since ${port} is not free: ${
      messageOf(error)
    }`;
    return other;
  }
}

/** Resolves to the port, 0 for a unix socket. */
function bind(
  acceptor: NetServer,
  address: { path: string } | { host: string; port: number },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  acceptor.on("error", reject);
  acceptor.listen(address, () => {
    const bound = acceptor.address();
    resolve(bound !== null && typeof bound === "object" ? bound.port : 0);
  });
  return promise;
}
