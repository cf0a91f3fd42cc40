/**
 * Host and Origin rules: a page of somebody else's site, or a name that resolves to us by trickery (DNS rebinding),
 * gets nothing.
 */

import { isLoopback } from "./settings.ts";

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];
const ANY_ADDRESS = ["0.0.0.0", "::"];

/** The names under which browsers may reach this server, on any port: an SSH tunnel brings its own. */
export class HostRules {
  readonly #names: ReadonlySet<string>;
  readonly #scheme: string;

  /** `machineNames`: this machine's own name and addresses, for a server that listens on all of them. */
  constructor(
    options: {
      host: string;
      allowHosts: readonly string[];
      machineNames: readonly string[];
      tls: boolean;
    },
  ) {
    const names = [...LOOPBACK_NAMES, ...options.allowHosts];
    if (ANY_ADDRESS.includes(options.host)) names.push(...options.machineNames.map(bracketed));
    else if (!isLoopback(options.host)) names.push(bracketed(options.host));
    this.#names = new Set(names.map((name) => name.toLowerCase()));
    this.#scheme = options.tls ? "https:" : "http:";
  }

  /** Whether a Host header names this server. */
  allowsHost(hostHeader: string | undefined): boolean {
    const url = parse(`${this.#scheme}//${hostHeader ?? ""}`);
    return url !== null && url.host !== "" && this.#names.has(url.hostname);
  }

  /** Whether an Origin header, when there is one, is the page that this server gave out under the same Host. */
  allowsOrigin(originHeader: string | undefined, hostHeader: string | undefined): boolean {
    if (originHeader === undefined) return true;
    const origin = parse(originHeader);
    const own = parse(`${this.#scheme}//${hostHeader ?? ""}`);
    return origin !== null && own !== null && origin.protocol === this.#scheme &&
      origin.host === own.host && this.#names.has(origin.hostname);
  }
}

function parse(url: string): URL | null {
  const parsed = URL.parse(url);
  return parsed !== null && parsed.pathname === "/" && parsed.username === "" ? parsed : null;
}

/** An IPv6 address as it stands in a URL. */
export function bracketed(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
