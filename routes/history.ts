/** `/api/history/…`: what was stored of runs (proto/history.ts). Who may watch may read it. */

import type { History } from "../core/durable/history.ts";
import { HistoryBusy } from "../core/durable/history.ts";
import { UserError } from "../core/errors.ts";
import { RUN_ID_PATTERN } from "../core/messages.ts";
import { checkpointPath } from "../core/storage/paths.ts";
import type { RunRecord } from "../core/storage/records.ts";
import { StoreUnavailable } from "../core/storage/store.ts";
import type { StoredRunDetails } from "../proto/history.ts";
import { requireAccess } from "./api.ts";
import type { App } from "./app.ts";
import { type Exchange, HttpError } from "./exchange.ts";
import {
  storedCheckpoint,
  storedEpisode,
  storedLog,
  storedRun,
  storedSeries,
  storedWindow,
} from "./history_json.ts";
import { Parameters } from "./parameters.ts";

const RUNS = { min: 1, max: 1_000, default: 100 };
const LOGS = { min: 1, max: 5_000, default: 1_000 };
const EPISODES = { min: 1, max: 10_000, default: 1_000 };
const POINTS = { min: 2, max: 20_000, default: 2_000 };
/** Of all series of one answer; each has up to five numbers. */
const POINTS_TOTAL_MAX = 500_000;
const TAGS_MAX = 32;
const WORDS_MAX = 32;
const SERIES_MAX = 1_000;
const SHA256_PATTERN = /^[0-9a-f]{64}$/;

/** Answers a path below `/api/history/`. */
export async function history(app: App, exchange: Exchange, path: string): Promise<void> {
  requireAccess(exchange);
  try {
    await answer(app, exchange, path.split("/"));
  } catch (error) {
    throw httpErrorOf(error);
  }
}

async function answer(app: App, exchange: Exchange, parts: readonly string[]): Promise<void> {
  const [folder, runId, leaf, name, ...rest] = parts;
  if (folder === "runs" && rest.length === 0) {
    if (runId === undefined) return await runs(app.history, exchange);
    if (RUN_ID_PATTERN.test(runId)) {
      if (leaf === "checkpoints" && name !== undefined) {
        return await checkpoint(app, exchange, runId, name);
      }
      const answerLeaf = name === undefined ? LEAVES[leaf ?? ""] : undefined;
      if (answerLeaf !== undefined) return await answerLeaf(app.history, exchange, runId);
    }
  }
  throw new HttpError(404, `there is nothing at ${exchange.url.pathname}`);
}

const LEAVES: Readonly<
  Record<string, (history: History, exchange: Exchange, runId: string) => Promise<void>>
> = { "": run, windows, logs, episodes };

function httpErrorOf(error: unknown): unknown {
  if (error instanceof HistoryBusy || error instanceof StoreUnavailable) {
    return new HttpError(503, error.message);
  }
  return error instanceof UserError ? new HttpError(400, error.message) : error;
}

async function existing(history: History, runId: string): Promise<RunRecord> {
  const found = await history.call("run", runId);
  if (found !== null) return found;
  throw new HttpError(404, `nothing is stored of a run "${runId}"`);
}

async function runs(history: History, exchange: Exchange): Promise<void> {
  const parameters = new Parameters(exchange, ["after", "limit"], ["tag", "word"]);
  const page = await history.call("runs", {
    tags: parameters.texts("tag", TAGS_MAX),
    words: parameters.texts("word", WORDS_MAX),
    limit: parameters.wholeNumber("limit", RUNS) ?? RUNS.default,
    after: parameters.text("after") ?? undefined,
  });
  exchange.json(200, { runs: page.rows.map(storedRun), next: page.next });
}

async function run(history: History, exchange: Exchange, runId: string): Promise<void> {
  const isOptional = new Parameters(exchange, ["optional"]).wholeNumber("optional", {
    min: 0,
    max: 1,
  });
  // For pages, which ask of runs that may have stored nothing: browsers print each 404 to their consoles.
  const record = isOptional === 1
    ? await history.call("run", runId)
    : await existing(history, runId);
  if (record === null) return exchange.json(200, null);
  const [series, params, checkpoints] = await Promise.all([
    history.call("series", runId),
    history.call("params", runId),
    history.call("checkpoints", runId),
  ]);
  const details: StoredRunDetails = {
    ...storedRun(record),
    series: series.map(storedSeries),
    params: params.map(({ key, valueJson }) => ({ key, valueJson })),
    metadata: metadataOf(record),
    checkpoints: checkpoints.map(storedCheckpoint),
  };
  exchange.json(200, details);
}

function metadataOf({ metadataJson }: RunRecord): Record<string, unknown> {
  return metadataJson === "" ? {} : JSON.parse(metadataJson);
}

async function windows(history: History, exchange: Exchange, runId: string): Promise<void> {
  const parameters = new Parameters(exchange, ["from", "to", "points"], ["series"]);
  const named = parameters.texts("series", SERIES_MAX);
  const points = parameters.wholeNumber("points", POINTS) ?? POINTS.default;
  const range = {
    fromTimeUnixNs: parameters.seconds("from"),
    toTimeUnixNs: parameters.seconds("to"),
  };
  await existing(history, runId);
  const names = named.length > 0
    ? named
    : (await history.call("series", runId)).slice(0, SERIES_MAX).map(({ name }) => name);
  const pointsEach = Math.max(
    POINTS.min,
    Math.min(points, Math.floor(POINTS_TOTAL_MAX / Math.max(1, names.length))),
  );
  const found = await history.call("windows", runId, names, range, pointsEach);
  exchange.json(200, { windows: found.map(storedWindow) });
}

async function logs(history: History, exchange: Exchange, runId: string): Promise<void> {
  const parameters = new Parameters(exchange, ["after", "limit", "tail"]);
  const tail = parameters.wholeNumber("tail", LOGS);
  const after = parameters.text("after");
  const limit = parameters.wholeNumber("limit", LOGS);
  if (tail !== null && (after !== null || limit !== null)) {
    throw new HttpError(400, "tail goes without after and limit");
  }
  await existing(history, runId);
  const page = tail === null
    ? await history.call("logs", runId, {}, after, limit ?? LOGS.default)
    : await history.call("lastLogs", runId, tail);
  exchange.json(200, { logs: page.rows.map(storedLog), next: page.next, end: page.end });
}

async function episodes(history: History, exchange: Exchange, runId: string): Promise<void> {
  const parameters = new Parameters(exchange, ["after", "limit"]);
  const after = parameters.text("after");
  const limit = parameters.wholeNumber("limit", EPISODES) ?? EPISODES.default;
  await existing(history, runId);
  const page = await history.call("episodes", runId, {}, after, limit);
  exchange.json(200, { episodes: page.rows.map(storedEpisode), next: page.next, end: page.end });
}

/** The bytes of a file that belongs to the run. */
async function checkpoint(
  app: App,
  exchange: Exchange,
  runId: string,
  sha256: string,
): Promise<void> {
  new Parameters(exchange, []);
  if (!SHA256_PATTERN.test(sha256)) {
    throw new HttpError(400, "a checkpoint is named by 64 hexadecimal digits, its SHA-256");
  }
  const found = (await app.history.call("checkpoints", runId))
    .find((checkpoint) => checkpoint.sha256 === sha256);
  if (found === undefined) {
    throw new HttpError(404, `run ${runId} has no checkpoint ${sha256}`);
  }
  exchange
    .header("content-disposition", attachmentNamed(found.name))
    .header("cache-control", "private, max-age=31536000, immutable")
    .header("etag", `"${sha256}"`);
  if (exchange.request.headers["if-none-match"] === `"${sha256}"`) return exchange.notModified();
  await exchange.sendFile("application/octet-stream", checkpointPath(app.dataDir, sha256));
}

/** RFC 6266: a plain name for old programs, and the whole one as RFC 8187 encodes it. */
function attachmentNamed(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._ -]/g, "_");
  const whole = encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${whole}`;
}
