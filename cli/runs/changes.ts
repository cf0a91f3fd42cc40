/** Changes of stored runs: by the server while it runs, else by our own hand under the data directory's lock. */

import { status } from "@grpc/grpc-js";
import { Channel } from "../../clients/ts/channel.ts";
import { type Endpoint, findEndpoint } from "../../clients/ts/discovery.ts";
import { DataDirLock, findServer, ingestSocketPath } from "../../core/data_dir.ts";
import { messageOf, UserError } from "../../core/errors.ts";
import { removeIfAny } from "../../core/files.ts";
import { databasePath, openReader, openStore } from "../../core/storage/open.ts";
import { checkpointPath } from "../../core/storage/paths.ts";
import { ROW_KINDS, type RowKind } from "../../core/storage/records.ts";
import type { StoreReader, StoreWriter } from "../../core/storage/store.ts";
import { controlTokenPath, loadToken } from "../../core/tokens.ts";
import { RunService } from "../../proto/gen/telebridge/v1/runs_pb.ts";
import { allRuns } from "../stored_runs.ts";

/** Deleting a large run marks it first; its rows go bit by bit later. */
const ANSWER_MS_MAX = 15_000;
/** Of tidying up behind deleted runs, where no server is there that does it. */
const TIDY_MS_MAX = 10_000;

export interface RunChange {
  addTags?: string[];
  removeTags?: string[];
  note?: string;
}

export type RowCounts = Record<RowKind, number>;

/** Both throw {@link UserError}, also where there is no such run. */
export interface RunChanges extends AsyncDisposable {
  update(runId: string, change: RunChange): Promise<void>;
  /** Returns what was deleted. */
  delete(runId: string): Promise<RowCounts>;
}

export async function openRunChanges(dataDir: string): Promise<RunChanges> {
  const server = await findServer(dataDir);
  if (server === null) {
    return new OwnChanges(dataDir, await DataDirLock.take(dataDir));
  }
  return new ServerChanges(new Channel(await endpointOf(dataDir, server.url)));
}

/** The socket, which needs no token; a data directory may have too long a name for one. */
async function endpointOf(dataDir: string, url: string): Promise<Endpoint> {
  const bySocket = ingestSocketPath(dataDir) !== null;
  try {
    return await findEndpoint({
      url: bySocket ? null : new URL(url),
      token: bySocket ? null : loadToken(controlTokenPath(dataDir)),
      dataDir,
      certificatePem: null,
    });
  } catch (error) {
    throw new UserError(
      `the server at ${url} does not take changes now: ${messageOf(error)}; try again, or stop it`,
    );
  }
}

class ServerChanges implements RunChanges {
  readonly #channel: Channel;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  async update(runId: string, change: RunChange): Promise<void> {
    const { updateRun } = RunService.method;
    await told(this.#channel.ask(updateRun, { runId, ...change }, ANSWER_MS_MAX));
  }

  async delete(runId: string): Promise<RowCounts> {
    const { deleteRun } = RunService.method;
    const { deleted } = await told(this.#channel.ask(deleteRun, { runId }, ANSWER_MS_MAX));
    return Object.fromEntries(
      ROW_KINDS.map((kind) => [kind, Number(deleted?.[kind] ?? 0)]),
    ) as RowCounts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }
}

/** The server's refusals are for people as they are. */
async function told<Answer>(answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer;
  } catch (error) {
    const { code, details } = error as { code?: number; details?: string };
    if (code === undefined || code === status.INTERNAL) throw error;
    throw new UserError(details ?? messageOf(error));
  }
}

class OwnChanges implements RunChanges {
  readonly #dataDir: string;
  readonly #lock: DataDirLock;
  readonly #writer: StoreWriter;
  #deleted = false;

  constructor(dataDir: string, lock: DataDirLock) {
    this.#dataDir = dataDir;
    this.#lock = lock;
    try {
      this.#writer = openStore(databasePath(dataDir));
    } catch (error) {
      lock[Symbol.dispose]();
      throw new UserError(messageOf(error));
    }
  }

  update(runId: string, change: RunChange): Promise<void> {
    return this.#guarded(() => {
      if (this.#writer.updateRun(runId, change) === null) throw noRun(runId);
    });
  }

  delete(runId: string): Promise<RowCounts> {
    return this.#guarded(() => {
      using reader = openReader(databasePath(this.#dataDir))!;
      const files = reader.checkpoints(runId).map(({ sha256 }) => sha256);
      const deleted = this.#writer.deleteRun(runId);
      if (deleted === null) throw noRun(runId);
      this.#deleted = true;
      removeUnused(this.#dataDir, reader, files);
      return deleted;
    });
  }

  // deno-lint-ignore require-await -- a throw becomes a rejection
  async [Symbol.asyncDispose](): Promise<void> {
    const untilMs = performance.now() + TIDY_MS_MAX;
    if (this.#deleted) { while (this.#writer.idle() && performance.now() < untilMs); }
    this.#writer[Symbol.dispose]();
    this.#lock[Symbol.dispose]();
  }

  // deno-lint-ignore require-await -- a throw becomes a rejection
  async #guarded<Result>(change: () => Result): Promise<Result> {
    try {
      return change();
    } catch (error) {
      throw error instanceof UserError ? error : new UserError(messageOf(error));
    }
  }
}

function noRun(runId: string): UserError {
  return new UserError(`there is no stored run "${runId}"`);
}

/** Removes the bytes of files that no run has any more. */
function removeUnused(dataDir: string, reader: StoreReader, files: readonly string[]): void {
  if (files.length === 0) return;
  const used = new Set<string>();
  for (const { runId, counts } of allRuns(reader)) {
    if (counts.checkpoints === 0) continue;
    for (const { sha256 } of reader.checkpoints(runId)) used.add(sha256);
  }
  for (const sha256 of new Set(files)) {
    if (!used.has(sha256)) removeIfAny(checkpointPath(dataDir, sha256));
  }
}
