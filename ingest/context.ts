/** What the parts of the ingest process share. */

import type { IngestStart } from "../core/durable/feed.ts";
import type { History } from "../core/durable/history.ts";
import type { Library } from "../ffi/library.ts";
import type { IngestFeed } from "./feed.ts";
import type { IngestMetrics } from "./metrics.ts";
import type { Presence } from "./presence.ts";
import type { RunBus } from "./run_bus.ts";
import type { StoreClient } from "./store_client.ts";

export interface IngestContext {
  start: IngestStart;
  /** Changes when the process starts anew. */
  instance: string;
  /** Messages from and to `serve`. */
  feed: IngestFeed;
  metrics: IngestMetrics;
  /** Who holds a control stream, or publishes, enters here: runs without anybody are lost after a while. */
  presence: Presence;
  store: StoreClient;
  /** Reads what is stored, in a worker of its own. */
  history: History;
  /** Rows as they are committed. */
  bus: RunBus;
  nowUnixNs(): bigint;
  /** Runs were made, ended, tagged or deleted. */
  runsChanged(): void;
  /** The native library, opened at first use: rows alone need none of it. */
  library(): Library;
  /** `stop` is called when the process ends in order, the last one registered first. */
  onStop(stop: () => void): void;
}
