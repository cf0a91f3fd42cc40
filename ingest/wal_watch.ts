/** Warns of a reader that keeps the database's write-ahead log from being begun anew, once for each. */

import { getLogger } from "@logtape/logtape";
import type { StoreStats } from "../core/storage/store.ts";
import type { StoreClient } from "./store_client.ts";

const logger = getLogger(["telebridge", "ingest"]);

export function watchWal(store: StoreClient): void {
  let told: StoreStats["walHeldBy"] = null;
  store.listen({
    onStats({ walHeldBy }) {
      if (walHeldBy !== null && (told === null || told.pid !== walHeldBy.pid)) {
        const who = walHeldBy.pid === null ? "a reader" : `process ${walHeldBy.pid}`;
        const mib = Math.round(walHeldBy.bytes / 2 ** 20);
        logger.warn(
          `${who} has the database open in one long transaction: its write-ahead log has grown to ` +
            `${mib} MiB and cannot be begun anew; end it`,
        );
      }
      told = walHeldBy;
    },
  });
}
