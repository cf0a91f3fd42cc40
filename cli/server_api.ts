/** The running server of a data directory, asked over HTTP with the directory's own token. */

import { findServer } from "../core/data_dir.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { controlTokenPath, loadToken } from "../core/tokens.ts";

const ANSWER_MS_MAX = 15_000;

export class ServerApi implements Disposable {
  readonly #url: string;
  readonly #token: string;
  readonly #client: Deno.HttpClient;

  private constructor(url: string, token: string, certificatePem: string | null) {
    this.#url = url;
    this.#token = token;
    const caCerts = certificatePem === null ? [] : [certificatePem];
    this.#client = Deno.createHttpClient({ caCerts });
  }

  /** Throws {@link UserError} where none runs. */
  static async find(dataDir: string): Promise<ServerApi> {
    const server = await findServer(dataDir);
    if (server === null) {
      throw new UserError(
        `nothing serves ${dataDir}; telebridge serve does (--data-dir DIR names another)`,
      );
    }
    const token = loadToken(controlTokenPath(dataDir));
    return new ServerApi(server.url, token, server.certificatePem ?? null);
  }

  /** Throws {@link UserError} with the server's own words where it refuses. */
  async ask<Answer>(method: "GET" | "POST", path: string): Promise<Answer> {
    const request: RequestInit & { client: Deno.HttpClient } = {
      method,
      headers: { authorization: `Bearer ${this.#token}` },
      client: this.#client,
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    };
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(new URL(path, this.#url), request);
      answer = await response.json();
    } catch (error) {
      throw new UserError(`the server at ${this.#url} does not answer: ${messageOf(error)}`);
    }
    if (response.ok) return answer as Answer;
    throw new UserError(String((answer as { error?: unknown }).error ?? response.status));
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
