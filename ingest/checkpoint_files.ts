/**
 * Files of checkpoints, stored once for each content under its hash: `files/ab/<sha256>` in the data directory. While it
 * is not settled whether a run names a content, `files/unsettled/<sha256>` says so: a process that dies meanwhile leaves
 * it to the next one to look.
 */

import * as grpc from "@grpc/grpc-js";
import { getLogger } from "@logtape/logtape";
import { createHash, type Hash } from "node:crypto";
import { dirname, join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { removeIfAny } from "../core/files.ts";
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

const logger = getLogger(["telebridge", "ingest"]);

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
  /** Contents that were in use at some time since the removal that is going on began to look. */
  #usedMeanwhile: Set<string> | null = null;
  /** One at a time. */
  #removing: Promise<void> = Promise.resolve();

  constructor({ start, history }: IngestContext) {
    this.#dataDir = start.dataDir;
    this.#history = history;
    removeIfAny(this.#temporaryDir, { recursive: true });
  }

  /** A file whose bytes come. Dispose it in any case: what was not stored is removed then. */
  async receive(): Promise<IncomingFile> {
    await Deno.mkdir(this.#temporaryDir, { recursive: true });
    const path = join(this.#temporaryDir, randomHex(TEMPORARY_NAME_BYTES));
    const file = await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
    return new IncomingFile(file, path, this.#dataDir);
  }

  /** A content is being published, until what is returned is disposed; `named` is set when a run's row names it. */
  use(sha256: string): Disposable & { named: boolean } {
    this.#inUse.set(sha256, (this.#inUse.get(sha256) ?? 0) + 1);
    this.#usedMeanwhile?.add(sha256);
    this.unsettle([sha256]);
    const settle = () => removeIfAny(this.#unsettledPath(sha256));
    const left = () => this.#leave(sha256);
    return {
      named: false,
      [Symbol.dispose]() {
        if (left() === 0 && this.named) settle();
      },
    };
  }

  /** It is to be seen whether a run names these contents. */
  unsettle(contents: readonly string[]): void {
    if (contents.length > 0) Deno.mkdirSync(this.#unsettledDir, { recursive: true });
    for (const sha256 of contents) Deno.writeTextFileSync(this.#unsettledPath(sha256), "");
  }

  /** Removes those of the unsettled contents that no run names. */
  removeUnused(): Promise<void> {
    return this.#removing = this.#removing.then(() => this.#removeUnused());
  }

  async #removeUnused(): Promise<void> {
    try {
      const contents = await namesIn(this.#unsettledDir);
      if (contents.length === 0) return;
      const used = this.#usedMeanwhile = new Set(this.#inUse.keys());
      const named = await this.#namedByRuns();
      for (const sha256 of contents.filter((sha256) => !used.has(sha256))) {
        if (!named.has(sha256)) removeIfAny(checkpointPath(this.#dataDir, sha256));
        removeIfAny(this.#unsettledPath(sha256));
      }
    } catch (error) {
      logger.warn`cannot remove checkpoints that no run has, trying again later: ${
        messageOf(error)
      }`;
    } finally {
      this.#usedMeanwhile = null;
    }
  }

  /** Returns how many use the content still. */
  #leave(sha256: string): number {
    const left = this.#inUse.get(sha256)! - 1;
    if (left === 0) this.#inUse.delete(sha256);
    else this.#inUse.set(sha256, left);
    return left;
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

  get #unsettledDir(): string {
    return join(this.#dataDir, "files", "unsettled");
  }

  #unsettledPath(sha256: string): string {
    return join(this.#unsettledDir, sha256);
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
    const deduplicated = await exists(path);
    if (!deduplicated) {
      await this.#file.syncData();
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.rename(this.#path, path);
      this.#stored = true;
    }
    // Of one that is there, too: who put it there may have been killed before this.
    await syncFolder(dirname(path));
    await syncFolder(dirname(dirname(path)));
    return { deduplicated };
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

/** Of what is in a folder; none where there is no folder. */
async function namesIn(path: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
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

function drained(call: grpc.ServerWritableStream<unknown, unknown>): Promise<void> {
  return new Promise((resolve) => {
    call.once("drain", () => resolve());
    call.once("cancelled", () => resolve());
  });
}
