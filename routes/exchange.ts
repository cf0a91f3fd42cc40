/** One HTTP request and the answer to it. */

import { type FileHandle, open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
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

  /** Sends a file as fast as it is read. Throws 404 where there is none. */
  async sendFile(contentType: string, path: string): Promise<void> {
    let file: FileHandle;
    try {
      file = await open(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw new HttpError(404, "the file is not there any more");
    }
    const { size } = await file.stat();
    this.#response.writeHead(200, { "content-type": contentType, "content-length": String(size) });
    if (this.request.method === "HEAD") {
      await file.close();
      this.#response.end();
      return;
    }
    try {
      await pipeline(file.createReadStream(), this.#response);
    } catch (error) {
      // Who asked went away: nobody is left to hear of it.
      if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
    }
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
