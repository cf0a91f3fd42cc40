/** The bundles of `dist/assets`, named by their content so that a browser may keep them for ever. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Exchange, HttpError } from "./exchange.ts";

const NAME_PATTERN = /^[a-z0-9_-]+\.(js|css|svg|png|woff2)$/;
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  woff2: "font/woff2",
};
const HASH_DIGITS = 16;

interface AssetFile {
  bytes: Uint8Array<ArrayBuffer>;
  hash: string;
  modifiedAtMs: number;
}

/** Files are read once and again when they change. */
export class AssetFiles {
  readonly #dir: string;
  readonly #files = new Map<string, AssetFile>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The path under which a page names a bundle; it changes with the content. */
  url(name: string): string {
    const file = this.#load(name);
    return file === null ? `/assets/${name}` : `/assets/${name}?v=${file.hash}`;
  }

  serve(exchange: Exchange, name: string): void {
    const file = NAME_PATTERN.test(name) ? this.#load(name) : null;
    if (file === null) throw new HttpError(404, `there is no asset "${name}"`);
    const named = exchange.url.searchParams.get("v") === file.hash;
    const etag = `"${file.hash}"`;
    exchange
      .header("etag", etag)
      .header("cache-control", named ? "public, max-age=31536000, immutable" : "no-cache");
    if (exchange.request.headers["if-none-match"] === etag) return exchange.notModified();
    exchange.send(200, CONTENT_TYPES[name.split(".").at(-1)!]!, file.bytes);
  }

  #load(name: string): AssetFile | null {
    const path = join(this.#dir, name);
    let modifiedAtMs: number;
    try {
      modifiedAtMs = Deno.statSync(path).mtime?.getTime() ?? 0;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
    const known = this.#files.get(name);
    if (known?.modifiedAtMs === modifiedAtMs) return known;
    const bytes = Deno.readFileSync(path);
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, HASH_DIGITS);
    const file = { bytes, hash, modifiedAtMs };
    this.#files.set(name, file);
    return file;
  }
}
