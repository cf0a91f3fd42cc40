/** Opens one lane from nothing to WELCOME: asks for a ticket, connects, greets. Each lane has a ticket of its own. */

import type { ConnectionOptions } from "./connection.ts";
import type { FramePool } from "./frame_pool.ts";
import { Handshake, type OpenedLane } from "./handshake.ts";
import { fetchSessionOffer } from "./session_api.ts";
import type { TransportKind, TransportSink } from "./transport.ts";
import { openWebSocket } from "./transport_websocket.ts";
import { openWebTransport } from "./transport_webtransport.ts";

/** A session that is not greeted in this time is given up; the next attempt may do better. */
const OPEN_MS_MAX = 10_000;

export function createLaneOpener(origin: string, pool: FramePool): ConnectionOptions["openLane"] {
  return async (kind, sink, raceSignal) => {
    const opening = new AbortController();
    const giveUp = () => opening.abort(raceSignal.reason);
    raceSignal.addEventListener("abort", giveUp, { once: true });
    const timer = setTimeout(
      () => opening.abort(new Error(`${kind} did not open within ${OPEN_MS_MAX / 1000} s`)),
      OPEN_MS_MAX,
    );
    try {
      raceSignal.throwIfAborted();
      return await openLane(kind, origin, pool, sink, opening.signal);
    } finally {
      // From here on the lane lives as long as its session.
      clearTimeout(timer);
      raceSignal.removeEventListener("abort", giveUp);
    }
  };
}

async function openLane(
  kind: TransportKind,
  origin: string,
  pool: FramePool,
  sink: TransportSink,
  signal: AbortSignal,
): Promise<OpenedLane> {
  const offer = await fetchSessionOffer(origin, signal);
  const handshake = new Handshake(sink);
  if (kind === "webtransport" && offer.webtransport === null) {
    throw new Error("the server offers no WebTransport");
  }
  const transport = kind === "websocket"
    ? await openWebSocket(offer.websocketUrl, handshake, signal)
    : await openWebTransport(offer.webtransport!, pool, handshake, signal);
  try {
    return await handshake.greet(transport, offer.ticket, signal);
  } catch (error) {
    transport.close();
    throw error;
  }
}
