/**
 * Which lane carries the session: WebTransport starts at once, the WebSocket half a second later unless WebTransport
 * failed before, and the first that is open wins. So a network that drops UDP costs half a second, not a time-out.
 */

import type { TransportKind } from "./transport.ts";

const WEBSOCKET_HEAD_START_MS = 500;

/** Opens one lane and completes its handshake; gives up when the signal aborts before that. */
export type OpenLane<Opened> = (kind: TransportKind, signal: AbortSignal) => Promise<Opened>;

/**
 * Resolves to the first lane that opens; gives up on the other, or closes it by `discard` when it opened as well.
 * Rejects with the last lane's error when none opens.
 */
export async function raceLanes<Opened>(
  openLane: OpenLane<Opened>,
  discard: (late: Opened) => void,
  forced: TransportKind | null,
  signal: AbortSignal,
): Promise<Opened> {
  if (forced !== null) return await openLane(forced, signal);
  const losers = new AbortController();
  const laneSignal = AbortSignal.any([signal, losers.signal]);
  let won = false;
  const claim = (opened: Opened): Opened => {
    if (won) {
      discard(opened);
      throw new Error("the other lane was first");
    }
    won = true;
    // The lane that is open does not listen any more.
    losers.abort();
    return opened;
  };
  const fast = openLane("webtransport", laneSignal);
  const fallback = webtransportIsLate(fast).then(() => {
    laneSignal.throwIfAborted();
    return openLane("websocket", laneSignal);
  });
  try {
    return await Promise.any([fast.then(claim), fallback.then(claim)]);
  } catch (error) {
    throw (error as AggregateError).errors.at(-1);
  }
}

/** Resolves when WebTransport has failed or had its head start; also when it is open, and then nobody cares. */
function webtransportIsLate(fast: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, WEBSOCKET_HEAD_START_MS);
    fast.catch(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
