/** The last net under a server that many watch. */

import { getLogger } from "@logtape/logtape";

const logger = getLogger(["telebridge", "serve"]);

/**
 * Logs promises that nobody handles instead of ending the process: the runtime's own streams reject some of theirs when
 * a peer vanishes, and one viewer's loss is no reason to leave all others.
 */
export function surviveRejections(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logger.error`a failure that nobody handled: ${event.reason}`;
  });
}
