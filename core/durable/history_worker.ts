/** The worker of history.ts: one reader of the data directory, one call at a time. */

/// <reference lib="deno.worker" />

import { databasePath, openReader } from "../storage/open.ts";
import type { StoreReader } from "../storage/store.ts";
import { EMPTY_STORE } from "./empty_store.ts";
import { failureOf, type HistoryReply, type HistoryRequest } from "./history.ts";

let dataDir = "";
let reader: StoreReader | null = null;

function answer(request: Extract<HistoryRequest, { args: unknown[] }>): HistoryReply {
  try {
    reader ??= openReader(databasePath(dataDir));
    const store = reader ?? EMPTY_STORE;
    const read = store[request.name] as (...args: unknown[]) => unknown;
    return { value: read.apply(store, request.args) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

self.addEventListener("message", ({ data }: MessageEvent<HistoryRequest>) => {
  if ("dataDir" in data) dataDir = data.dataDir;
  else self.postMessage(answer(data));
});
