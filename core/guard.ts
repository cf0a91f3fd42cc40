/** Where work is called by nobody who could catch: timers, watches, the hub's loop. */

import { getLogger } from "@logtape/logtape";

const logger = getLogger(["telebridge", "bugs"]);

/** Does the work. What it throws is a bug of ours: it is logged, and neither the caller nor the process ends by it. */
export function guarded(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    logger.error`${what} failed: ${error}`;
  }
}
