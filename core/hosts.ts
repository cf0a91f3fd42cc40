/**
 * Host and Origin rules: a page of somebody else's site, or a name that resolves to us by trickery (DNS rebinding),
 * gets nothing.
 */

import type { Settings } from "./settings.ts";

/** The header goes into headers of our own: nothing may stand in it that means something there, or to URLs. */
const NAME_AND_PORT = /^[a-z0-9._:[\]-]+$/i;
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** The names under which browsers may reach a server with these settings, addresses as they stand in a URL. */
export function reachableNames(settings: Settings): string[] {
  const { host, allowHosts } = settings;
  return normalized([...LOOPBACK_NAMES, ...allowHosts, ...namesOf(host)]);
}

/** Those, and the names under which workers on other machines may reach it. */
export function certifiedNames(settings: Settings): string[] {
  const { grpcHost } = settings;
  return normalized([
    ...reachableNames(settings),
    ...(grpcHost === undefined ? [] : namesOf(grpcHost)),
  ]);
}

function namesOf(listenHost: string): string[] {
  return isAnyAddress(listenHost) ? machineNames() : [listenHost];
}

function normalized(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => bracketed(name).toLowerCase()))];
}

/** Whether a server that listens there does so on all addresses of the machine. */
export function isAnyAddress(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** Names and addresses under which other machines may know this one. */
function machineNames(): string[] {
  const addresses = Deno.networkInterfaces().map(({ address }) => address.split("%")[0]!);
  return [Deno.hostname(), ...addresses];
}

/** Names are compared without ports: an SSH tunnel brings its own. */
export class HostRules {
  readonly #names: ReadonlySet<string>;
  readonly #scheme: string;

  constructor(options: { names: readonly string[]; tls: boolean }) {
    this.#names = new Set(options.names);
    this.#scheme = options.tls ? "https:" : "http:";
  }

  /** Whether a Host header names this server. */
  allowsHost(hostHeader: string | undefined): boolean {
    const url = this.#parseHost(hostHeader);
    return url !== null && this.#names.has(url.hostname);
  }

  /** Whether an Origin header, when there is one, is the page that this server gave out under the same Host. */
  allowsOrigin(originHeader: string | undefined, hostHeader: string | undefined): boolean {
    if (originHeader === undefined) return true;
    const origin = URL.parse(originHeader);
    const own = this.#parseHost(hostHeader);
    return origin !== null && own !== null && origin.origin === originHeader &&
      origin.origin === own.origin && this.#names.has(origin.hostname);
  }

  #parseHost(hostHeader = ""): URL | null {
    return NAME_AND_PORT.test(hostHeader) ? URL.parse(`${this.#scheme}//${hostHeader}`) : null;
  }
}

/** An IPv6 address as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
