/** Logs go to stderr, since stdout is for data. */

import { configure, getTextFormatter } from "@logtape/logtape";
import type { Settings } from "./settings.ts";

const encoder = new TextEncoder();

export async function configureLogging(level: Settings["logLevel"]): Promise<void> {
  const format = getTextFormatter({ timestamp: "time", level: "full" });
  await configure({
    reset: true,
    sinks: {
      // Written at once: what was logged before a crash is on the screen.
      stderr: (record) => void Deno.stderr.writeSync(encoder.encode(format(record))),
    },
    loggers: [
      { category: ["telebridge"], lowestLevel: level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}
