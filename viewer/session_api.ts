/** `GET /api/session`: where the lanes are, and a ticket that opens one of them once. */

/** The page may not talk to the server: its cookie is missing or of another server. */
export class UnauthorisedError extends Error {
  override name = "UnauthorisedError";
}

export interface SessionOffer {
  ticket: string;
  webtransport: { url: string; certificateHashes: Uint8Array<ArrayBuffer>[] } | null;
  websocketUrl: string;
}

/** Asks for an offer. Throws {@link UnauthorisedError} on 401 and 403, anything else when the server cannot be had. */
export async function fetchSessionOffer(
  origin: string,
  signal: AbortSignal,
): Promise<SessionOffer> {
  const response = await fetch(`${origin}/api/session`, { cache: "no-store", signal }).catch(() => {
    // Browsers say no more than "Failed to fetch".
    signal.throwIfAborted();
    throw new Error("the server does not answer");
  });
  if (response.status === 401 || response.status === 403) {
    throw new UnauthorisedError("the server does not accept this page's token");
  }
  if (!response.ok) throw new Error(`the server answers ${response.status} to /api/session`);
  const body = await response.json();
  const websocketUrl = new URL(body.webSocketPath, origin);
  websocketUrl.protocol = websocketUrl.protocol === "https:" ? "wss:" : "ws:";
  return {
    ticket: body.ticket,
    websocketUrl: websocketUrl.href,
    webtransport: body.webtransport === null ? null : {
      url: body.webtransport.url,
      certificateHashes: body.webtransport.certificateHashes.map(bytesOfBase64),
    },
  };
}

function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
