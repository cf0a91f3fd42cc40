/** Files of checkpoints, stored once for each content under its hash: `files/ab/<sha256>` in the data directory. */

import * as grpc from "@grpc/grpc-js";
import { createHash, type Hash } from "node:crypto";
import { dirname, join } from "node:path";
import { randomHex } from "../core/random.ts";
import { checkpointPath } from "../core/storage/paths.ts";
import type { RunService } from "../proto/gen/telebridge/v1/runs_pb.ts";
import type { IngestContext } from "./context.ts";
import { GrpcError, type Handler } from "./grpc_service.ts";
import { checkRunId } from "./stream_open.ts";
import { ofStore } from "./store_errors.ts";

const CHUNK_BYTES = 256 * 1024;
const TEMPORARY_NAME_BYTES = 8;
const RUNS_PAGE = 1000;

export interface StoredFile {
  sha256: string;
  sizeBytes: bigint;
  /** The bytes were there already. */
  deduplicated: boolean;
}

export class CheckpointFiles {
  readonly #dataDir: string;
  readonly #history: IngestContext["history"];
  /** Contents that are being published: not to be removed, though no row names them yet. */
  readonly #inUse = new Map<string, number>();

  constructor({ start, history }: IngestContext) {
    this.#dataDir = start.dataDir;
    this.#history = history;
    removeIfAny(this.#temporaryDir);
  }

  /** A file whose bytes come. Dispose it in any case: what was not stored is removed then. */
  async receive(): Promise<IncomingFile> {
    await Deno.mkdir(this.#temporaryDir, { recursive: true });
    const path = join(this.#temporaryDir, randomHex(TEMPORARY_NAME_BYTES));
    const file = await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
    return new IncomingFile(file, path, this.#dataDir);
  }

  /** A content is being published, until what is returned is disposed. */
  use(sha256: string): Disposable {
    this.#inUse.set(sha256, (this.#inUse.get(sha256) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const left = this.#inUse.get(sha256)! - 1;
        if (left === 0) this.#inUse.delete(sha256);
        else this.#inUse.set(sha256, left);
      },
    };
  }

  /** Removes those of these contents that no run has any more. */
  async removeUnused(contents: readonly string[]): Promise<void> {
    if (contents.length === 0) return;
    const named = await this.#namedByRuns();
    for (const sha256 of contents) {
      if (!named.has(sha256) && !this.#inUse.has(sha256)) {
        removeIfAny(checkpointPath(this.#dataDir, sha256));
      }
    }
  }

  /** FetchCheckpoint: only what the run has, so that nobody can try out hashes. */
  send: Handler<(typeof RunService)["method"]["fetchCheckpoint"]> = async (call) => {
    const runId = checkRunId(call.request.runId);
    const sha256 = call.request.sha256.toHex();
    const rows = await ofStore(this.#history.call("checkpoints", runId));
    if (!rows.some((row) => row.sha256 === sha256)) {
      throw new GrpcError(grpc.status.NOT_FOUND, `run ${runId} has no such checkpoint`);
    }
    using file = await Deno.open(checkpointPath(this.#dataDir, sha256));
    while (!call.cancelled) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const read = await file.read(chunk);
      if (read === null) return;
      if (!call.write({ chunk: chunk.subarray(0, read) })) await drained(call);
    }
  };

  get #temporaryDir(): string {
    return join(this.#dataDir, "files", "incoming");
  }

  async #namedByRuns(): Promise<Set<string>> {
    const named = new Set<string>();
    let after: string | undefined;
    do {
      const page = await ofStore(this.#history.call("runs", { limit: RUNS_PAGE, after }));
      for (const { runId, counts } of page.rows) {
        if (counts.checkpoints === 0) continue;
        const rows = await ofStore(this.#history.call("checkpoints", runId));
        for (const { sha256 } of rows) named.add(sha256);
      }
      after = page.next ?? undefined;
    } while (after !== undefined);
    return named;
  }
}

/** Bytes on their way into a file. */
export class IncomingFile implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #dataDir: string;
  readonly #hash: Hash = createHash("sha256");
  #sizeBytes = 0n;
  #stored = false;

  constructor(file: Deno.FsFile, path: string, dataDir: string) {
    this.#file = file;
    this.#path = path;
    this.#dataDir = dataDir;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#sizeBytes += BigInt(chunk.byteLength);
    for (let at = 0; at < chunk.byteLength;) at += await this.#file.write(chunk.subarray(at));
  }

  /** The hash of what came, 64 hexadecimal digits. Nothing may be written after this. */
  digest(): string {
    return this.#hash.digest("hex");
  }

  get sizeBytes(): bigint {
    return this.#sizeBytes;
  }

  /** Puts it in its place, synced, its folder too; where the content is there already, that stays. */
  async store(sha256: string): Promise<{ deduplicated: boolean }> {
    const path = checkpointPath(this.#dataDir, sha256);
    if (await exists(path)) return { deduplicated: true };
    await this.#file.syncData();
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.rename(this.#path, path);
    this.#stored = true;
    await syncFolder(dirname(path));
    await syncFolder(dirname(dirname(path)));
    return { deduplicated: false };
  }

  [Symbol.dispose](): void {
    this.#file.close();
    if (!this.#stored) removeIfAny(this.#path);
  }
}

/** A name in a folder survives the power only when the folder is synced (fsync(2)). */
async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function removeIfAny(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function drained(call: grpc.ServerWritableStream<unknown, unknown>): Promise<void> {
  return new Promise((resolve) => {
    call.once("drain", () => resolve());
    call.once("cancelled", () => resolve());
  });
}
