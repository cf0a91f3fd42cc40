/** The UDP port of WebTransport, and its certificate, renewed before it ends. */

import { getLogger } from "@logtape/logtape";
import { type Certificate, makeCertificate } from "../core/certificates.ts";
import { messageOf } from "../core/errors.ts";
import type { WebTransportOffer } from "./app.ts";

/** Renewed when so much of its life is left. */
const RENEW_SHARE = 0.25;

const KEEP_ALIVE_MS = 5_000;
const IDLE_TIMEOUT_MS = 15_000;
/** Connections at once, those included that have not said Hello yet; more are refused. */
const CONNECTIONS_MAX = 256;
/** Of these, such as have not opened their session yet; more are refused. */
const HANDSHAKES_MAX = 64;
/** Our keep-alives would keep a peer that never opens its session. */
const HANDSHAKE_MS_MAX = 5_000;
/** A viewer opens one, its control stream. */
const BIDIRECTIONAL_STREAMS_MAX = 4;
/** HTTP/3 itself has three from each side, and a browser may add one that means nothing (RFC 9114, 6.2). */
const UNIDIRECTIONAL_STREAMS_MAX = 8;
/** The certificate's age is looked at so often, by the wall clock: timers stand still while a machine is suspended. */
const CERTIFICATE_CHECK_MS = 60_000;

/** H3_REQUEST_REJECTED (RFC 9114, 8.1). */
const HANDSHAKE_FAILED = { closeCode: 0x10b, reason: "no WebTransport session was opened" };

const logger = getLogger(["telebridge", "webtransport"]);

export interface QuicListenerOptions {
  host: string;
  /** UDP. Tried first; any other when it is taken. */
  port: number;
  /** Names and addresses in the certificate. */
  names: readonly string[];
  certificateLifeMs: number;
  onSession: (session: WebTransport) => Promise<void>;
  onError: () => void;
}

export class QuicListener {
  readonly #options: QuicListenerOptions;
  readonly #endpoint: Deno.QuicEndpoint;
  #certificate: Certificate | null = null;
  #previous: Certificate | null = null;
  #renewTimer: ReturnType<typeof setTimeout> | undefined;
  #renewAtMs = 0;
  #connectionsCount = 0;
  #handshakesCount = 0;
  #stopped = false;

  private constructor(options: QuicListenerOptions, endpoint: Deno.QuicEndpoint) {
    this.#options = options;
    this.#endpoint = endpoint;
  }

  static async start(options: QuicListenerOptions): Promise<QuicListener> {
    const listener = new QuicListener(options, bindUdp(options.host, options.port));
    await listener.#renew();
    listener.#checkLater();
    return listener;
  }

  /** What a page needs to know. The certificate before the newest is good for pages that asked before it was renewed. */
  get offer(): WebTransportOffer {
    const certificates = [this.#certificate!, this.#previous].filter((one) => one !== null);
    return {
      port: this.#endpoint.addr.port,
      loopbackHost: this.#options.host === "::1" ? "[::1]" : "127.0.0.1",
      certificateHashes: certificates.map(({ hash }) => hash),
    };
  }

  /** Sessions that are open go on; new ones are shown the new certificate. */
  async #renew(): Promise<void> {
    const { names, certificateLifeMs } = this.#options;
    const certificate = await makeCertificate({
      names,
      nowMs: Date.now(),
      lifeMs: certificateLifeMs,
    });
    if (this.#stopped) return;
    const listener = this.#endpoint.listen({
      cert: certificate.certificatePem,
      key: certificate.privateKeyPem,
      alpnProtocols: ["h3"],
      keepAliveInterval: KEEP_ALIVE_MS,
      maxIdleTimeout: IDLE_TIMEOUT_MS,
      maxConcurrentBidirectionalStreams: BIDIRECTIONAL_STREAMS_MAX,
      maxConcurrentUnidirectionalStreams: UNIDIRECTIONAL_STREAMS_MAX,
    });
    this.#previous = this.#certificate;
    this.#certificate = certificate;
    this.#accept(listener);
    const leftMs = certificate.expiresAtMs - Date.now();
    this.#renewAtMs = certificate.expiresAtMs - leftMs * RENEW_SHARE;
    logger.debug`WebTransport's certificate is good until ${new Date(certificate.expiresAtMs)}`;
  }

  #checkLater(): void {
    const leftMs = this.#renewAtMs - Date.now();
    // Overdue: the renewal failed, and is tried again.
    const pauseMs = leftMs > 0 ? Math.min(leftMs, CERTIFICATE_CHECK_MS) : CERTIFICATE_CHECK_MS;
    this.#renewTimer = setTimeout(() => this.#check(), pauseMs);
  }

  async #check(): Promise<void> {
    try {
      if (Date.now() >= this.#renewAtMs) await this.#renew();
    } catch (error) {
      this.#options.onError();
      logger.error`WebTransport's certificate cannot be renewed yet: ${messageOf(error)}`;
    }
    if (!this.#stopped) this.#checkLater();
  }

  async #accept(listener: Deno.QuicListener): Promise<void> {
    try {
      for await (const incoming of listener) {
        const isFull = this.#connectionsCount >= CONNECTIONS_MAX ||
          this.#handshakesCount >= HANDSHAKES_MAX;
        if (isFull) incoming.refuse();
        else this.#serve(incoming);
      }
    } catch (error) {
      if (!this.#stopped) {
        logger.error`WebTransport takes no sessions any more: ${messageOf(error)}`;
      }
    }
  }

  async #serve(incoming: Deno.QuicIncoming): Promise<void> {
    this.#connectionsCount++;
    try {
      this.#handshakesCount++;
      const session = await handshake(incoming).finally(() => this.#handshakesCount--);
      if (session !== null) await this.#options.onSession(session);
    } catch (error) {
      this.#options.onError();
      logger.error`a WebTransport session failed: ${messageOf(error)}`;
    } finally {
      this.#connectionsCount--;
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#renewTimer);
    this.#endpoint.close({ closeCode: 0, reason: "the server is stopping" });
  }
}

/** null when the peer did not get through it in time. */
async function handshake(incoming: Deno.QuicIncoming): Promise<WebTransport | null> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("it took too long")), HANDSHAKE_MS_MAX);
  const accepted = Promise.resolve(incoming.accept());
  try {
    return await Promise.race([upgrade(accepted), tooLate]);
  } catch (error) {
    logger.debug`a WebTransport handshake failed: ${messageOf(error)}`;
    accepted.then((connection) => connection.close(HANDSHAKE_FAILED), () => {});
    return null;
  } finally {
    clearTimeout(timer);
  }
}

async function upgrade(accepted: Promise<Deno.QuicConn>): Promise<WebTransport> {
  const session = await Deno.upgradeWebTransport(await accepted);
  // A session that is refused, killed or lost must not become an unhandled rejection.
  session.closed.catch(() => {});
  await session.ready;
  return session;
}

function bindUdp(hostname: string, port: number): Deno.QuicEndpoint {
  try {
    return new Deno.QuicEndpoint({ hostname, port });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    const endpoint = new Deno.QuicEndpoint({ hostname, port: 0 });
    logger.warn`UDP port ${port} is taken, so WebTransport has ${endpoint.addr.port}`;
    return endpoint;
  }
}
