/** What the parts of the ingest process share. */

import type { IngestStart } from "../core/durable/feed.ts";
import type { Library } from "../ffi/library.ts";
import type { IngestFeed } from "./feed.ts";
import type { IngestMetrics } from "./metrics.ts";
import type { Presence } from "./presence.ts";

export interface IngestContext {
  start: IngestStart;
  /** Changes when the process starts anew. */
  instance: string;
  /** Messages from and to `serve`. */
  feed: IngestFeed;
  metrics: IngestMetrics;
  /** Who holds a control stream, or publishes, enters here: runs without anybody are lost after a while. */
  presence: Presence;
  /** The native library, opened at first use: rows alone need none of it. */
  library(): Library;
  /** `stop` is called when the process ends in order, the last one registered first. */
  onStop(stop: () => void): void;
}
