/** The UDP port of WebTransport, and its certificate, renewed before it ends. */

import { getLogger } from "@logtape/logtape";
import { type Certificate, makeCertificate } from "../core/certificates.ts";
import { messageOf } from "../core/errors.ts";
import type { WebTransportOffer } from "./app.ts";

/** Renewed when so much of its life is left. */
const RENEW_SHARE = 0.25;

const KEEP_ALIVE_MS = 5_000;
const IDLE_TIMEOUT_MS = 15_000;
/** Connections at once, those included that have not said Hello yet. */
const CONNECTIONS_MAX = 256;

const logger = getLogger(["telebridge", "webtransport"]);

export interface QuicListenerOptions {
  host: string;
  /** Tried first; any other when it is taken. */
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
  #connectionsCount = 0;
  #stopped = false;

  private constructor(options: QuicListenerOptions, endpoint: Deno.QuicEndpoint) {
    this.#options = options;
    this.#endpoint = endpoint;
  }

  static async start(options: QuicListenerOptions): Promise<QuicListener> {
    const listener = new QuicListener(options, bindUdp(options.host, options.port));
    await listener.#renew();
    return listener;
  }

  /** What a page needs to know. The certificate before the newest is good for pages that asked before it was renewed. */
  get offer(): WebTransportOffer {
    const certificates = [this.#certificate!, this.#previous].filter((one) => one !== null);
    return {
      port: this.#endpoint.addr.port,
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
    });
    this.#previous = this.#certificate;
    this.#certificate = certificate;
    this.#accept(listener);
    const leftMs = certificate.expiresAtMs - Date.now();
    this.#renewTimer = setTimeout(
      () => this.#renew().catch((error) => this.#onRenewError(error)),
      leftMs * (1 - RENEW_SHARE),
    );
    logger.debug`WebTransport's certificate is good until ${new Date(certificate.expiresAtMs)}`;
  }

  #onRenewError(error: unknown): void {
    this.#options.onError();
    logger.error`WebTransport's certificate cannot be renewed: ${messageOf(error)}`;
  }

  async #accept(listener: Deno.QuicListener): Promise<void> {
    try {
      for await (const incoming of listener) {
        if (this.#connectionsCount >= CONNECTIONS_MAX) incoming.refuse();
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
      const session = await handshake(incoming);
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

/** null when the peer did not get through it. */
async function handshake(incoming: Deno.QuicIncoming): Promise<WebTransport | null> {
  try {
    const connection = await incoming.accept();
    const session = await Deno.upgradeWebTransport(connection);
    // A session that is refused, killed or lost must not become an unhandled rejection.
    session.closed.catch(() => {});
    await session.ready;
    return session;
  } catch (error) {
    logger.debug`a WebTransport handshake failed: ${messageOf(error)}`;
    return null;
  }
}

function bindUdp(hostname: string, port: number): Deno.QuicEndpoint {
  try {
    return new Deno.QuicEndpoint({ hostname, port });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return new Deno.QuicEndpoint({ hostname, port: 0 });
  }
}
