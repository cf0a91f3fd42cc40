/** The running server of a data directory, asked over HTTP with the directory's own token. */

import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { text } from "node:stream/consumers";
import { rootCertificates } from "node:tls";
import { findServer, type ServeInfo } from "../core/data_dir.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { controlTokenPath, loadToken } from "../core/tokens.ts";

const ANSWER_MS_MAX = 15_000;

interface Answer {
  status: number;
  body: string;
}

export class ServerApi {
  readonly #server: ServeInfo;
  readonly #token: string;

  private constructor(server: ServeInfo, token: string) {
    this.#server = server;
    this.#token = token;
  }

  /** Throws {@link UserError} where none runs. */
  static async find(dataDir: string): Promise<ServerApi> {
    const server = await findServer(dataDir);
    if (server !== null) return new ServerApi(server, loadToken(controlTokenPath(dataDir)));
    throw new UserError(
      `nothing serves ${dataDir}; telebridge serve does (--data-dir DIR names another)`,
    );
  }

  /** Throws {@link UserError} with the server's own words where it refuses. */
  async ask<Value>(method: "GET" | "POST", path: string): Promise<Value> {
    const { url } = this.#server;
    let status: number;
    let value: unknown;
    try {
      const answer = await this.#send(method, path);
      status = answer.status;
      value = JSON.parse(answer.body);
    } catch (error) {
      throw new UserError(`the server at ${url} does not answer: ${messageOf(error)}`);
    }
    if (status === 200) return value as Value;
    const { error } = value as { error?: string };
    throw new UserError(error ?? `the server at ${url} answers ${status}`);
  }

  /** To the address itself: the URL's name may be one that only other machines know. */
  #send(method: string, path: string): Promise<Answer> {
    const { url, localHost, certificatePem } = this.#server;
    const { protocol, hostname, host, port } = new URL(url);
    const isTls = protocol === "https:";
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const asked = (isTls ? httpsRequest : httpRequest)({
      ...{ method, path, host: localHost, port: port || (isTls ? 443 : 80), agent: false },
      timeout: ANSWER_MS_MAX,
      headers: { host, authorization: `Bearer ${this.#token}`, connection: "close" },
      ...(isTls && certificatePem !== null
        ? { ca: [...rootCertificates, certificatePem], servername: serverName(hostname) }
        : {}),
    });
    asked.on("timeout", () => asked.destroy(new Error(`nothing for ${ANSWER_MS_MAX / 1000} s`)));
    asked.on("error", reject);
    asked.on("response", (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode!, body }), reject);
    });
    asked.end();
    return promise;
  }
}

/** An address is no name: it is checked as such then. */
function serverName(hostname: string): string | undefined {
  return isIP(hostname.replaceAll(/[[\]]/g, "")) === 0 ? hostname : undefined;
}
