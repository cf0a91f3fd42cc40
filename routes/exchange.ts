/** One HTTP request and the answer to it. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Access } from "../core/tokens.ts";

/** An answer that is not a success; its message is for the person who asked. */
export class HttpError extends Error {
  override name = "HttpError";
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** What a handler gets. Exactly one of the answering methods is called once. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** What the request's token allows; null without a valid one. */
  readonly access: Access | null;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse, url: URL, access: Access | null) {
    this.request = request;
    this.#response = response;
    this.url = url;
    this.access = access;
  }

  get answered(): boolean {
    return this.#response.headersSent;
  }

  header(name: string, value: string): this {
    this.#response.setHeader(name, value);
    return this;
  }

  send(status: number, contentType: string, body: string | Uint8Array): void {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    this.#response.writeHead(status, {
      "content-type": contentType,
      "content-length": String(bytes.byteLength),
    });
    this.#response.end(this.request.method === "HEAD" ? undefined : bytes);
  }

  json(status: number, body: unknown): void {
    this.header("cache-control", "no-store").send(
      status,
      "application/json; charset=utf-8",
      JSON.stringify(body),
    );
  }

  redirect(location: string): void {
    this.#response.writeHead(303, { location, "cache-control": "no-store", "content-length": "0" });
    this.#response.end();
  }

  notModified(): void {
    this.#response.writeHead(304);
    this.#response.end();
  }
}
