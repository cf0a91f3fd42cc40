/** Where the server is: by its URL, else by its data directory on this machine. */

import { lstatSync, readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { Buffer } from "node:buffer";
import process from "node:process";
import { ANSWER_MS_MAX } from "./limits.ts";

/** What the script said, or its environment. */
export interface Place {
  /** Of `telebridge serve`, with or without `?token=`; null: look into the data directory. */
  url: URL | null;
  token: string | null;
  dataDir: string;
  /** PEM of a certificate that the URL's server may have, beside those that the system trusts. */
  certificatePem: string | null;
}

/** Where gRPC is spoken. */
export interface Endpoint {
  /** As grpc-js takes it: `unix:PATH` or `HOST:PORT`. */
  address: string;
  /** PEM of the certificate that the server must show; null: no TLS. */
  rootsPem: string | null;
  token: string | null;
}

/** No use in trying soon again: a person has to change something. */
export class RefusedError extends Error {
  override name = "RefusedError";
}

interface EndpointsAnswer {
  grpc?: {
    unixSocket?: string | null;
    port?: number | null;
    remote?: { host: string; port: number; certificatePem: string } | null;
  };
}

/** Codes of OpenSSL for a certificate that nobody vouches for. */
const UNTRUSTED = [
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
];
const ANSWER_BYTES_MAX = 256 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

/** The options win over the environment. Throws TypeError for a URL that is none, and a certificate that is none. */
export function placeOf(
  options: { url?: string; token?: string; dataDir?: string },
  environment: Environment,
): Place {
  const text = options.url ?? (options.dataDir === undefined ? environment.TELEBRIDGE_URL : "");
  const url = text ? parsedUrl(text) : null;
  const token = options.token ?? url?.searchParams.get("token") ?? environment.TELEBRIDGE_TOKEN;
  const certificate = environment.TELEBRIDGE_CERTIFICATE;
  return {
    url,
    token: token || null,
    dataDir: options.dataDir ?? (environment.TELEBRIDGE_DATA_DIR || defaultDataDir(environment)),
    certificatePem: certificate ? certificateAt(certificate) : null,
  };
}

function certificateAt(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new TypeError(`cannot read TELEBRIDGE_CERTIFICATE ${path}: ${(error as Error).message}`);
  }
}

function parsedUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new TypeError(`the server's URL is ${JSON.stringify(text)}; expected http(s)://HOST:PORT`);
}

function defaultDataDir(environment: Environment): string {
  if (environment.XDG_DATA_HOME) return join(environment.XDG_DATA_HOME, "telebridge");
  return join(environment.HOME ?? ".", ".local", "share", "telebridge");
}

/** What a spool of this place is kept under, without secrets. */
export function placeKey(place: Place): string {
  return place.url === null ? `directory ${place.dataDir}` : `url ${place.url.origin}`;
}

/** Throws {@link RefusedError} or an error that says why there is no server now. */
export async function findEndpoint(place: Place): Promise<Endpoint> {
  if (place.url === null) {
    const socket = join(place.dataDir, "ingest.sock");
    if (isOurSocket(socket)) return { address: `unix:${socket}`, rootsPem: null, token: null };
    throw new Error(`there is no server at ${socket}`);
  }
  return chooseEndpoint(place, place.url, await askForEndpoints(place, place.url));
}

function chooseEndpoint(place: Place, url: URL, { grpc }: EndpointsAnswer): Endpoint {
  const { token } = place;
  if (grpc?.unixSocket && isOurSocket(grpc.unixSocket)) {
    return { address: `unix:${grpc.unixSocket}`, rootsPem: null, token: null };
  }
  if (isLoopback(url.hostname) && grpc?.port) {
    return { address: `127.0.0.1:${grpc.port}`, rootsPem: null, token };
  }
  if (grpc?.remote) {
    // By the name that the URL has: the certificate is for that, and the server may have said "all addresses".
    const { port, certificatePem } = grpc.remote;
    return { address: `${url.hostname}:${port}`, rootsPem: certificatePem, token };
  }
  throw new RefusedError(
    `${url.origin} takes rows from its own machine only; start it with --grpc-host`,
  );
}

/** Somebody else's socket under that name would get the rows. */
function isOurSocket(path: string): boolean {
  try {
    const found = lstatSync(path);
    return found.isSocket() && found.uid === process.getuid?.();
  } catch {
    return false;
  }
}

export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function askForEndpoints(place: Place, url: URL): Promise<EndpointsAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<EndpointsAnswer>();
  const request = url.protocol === "https:" ? httpsRequest : httpRequest;
  const asked = request(new URL("/api/endpoints", url), {
    agent: false,
    timeout: ANSWER_MS_MAX,
    headers: {
      connection: "close",
      ...(place.token === null ? {} : { authorization: `Bearer ${place.token}` }),
    },
    ...(place.certificatePem === null ? {} : { ca: place.certificatePem }),
  });
  asked.on("timeout", () => asked.destroy(new Error(`${url.origin} does not answer`)));
  asked.on("error", (error: Error & { code?: string }) => {
    const hint = UNTRUSTED.includes(error.code ?? "")
      ? " (TELEBRIDGE_CERTIFICATE names a PEM file to trust)"
      : "";
    reject(new Error(`cannot reach ${url.origin}: ${error.message}${hint}`));
  });
  asked.on("response", (answer) => {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    answer.on("data", (part: Uint8Array) => {
      bytes += part.byteLength;
      if (bytes > ANSWER_BYTES_MAX) asked.destroy(new Error("its answer has no end"));
      else parts.push(part);
    });
    answer.on("error", reject);
    answer.on("end", () => {
      try {
        const text = new TextDecoder().decode(Buffer.concat(parts));
        resolve(judged(url, answer.statusCode ?? 0, place.token, text));
      } catch (error) {
        reject(error);
      }
    });
  });
  asked.end();
  return promise;
}

function judged(url: URL, status: number, token: string | null, text: string): EndpointsAnswer {
  if (status === 401 || status === 403) {
    const why = token === null ? "wants a token (TELEBRIDGE_TOKEN)" : "refuses the token";
    throw new RefusedError(`${url.origin} ${why}`);
  }
  if (status === 404) throw new RefusedError(`${url.origin} is no telebridge that stores rows`);
  if (status !== 200) throw new Error(`${url.origin} answers ${status}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new RefusedError(`${url.origin} is no telebridge: it answers something else`);
  }
}
