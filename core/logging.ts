/** Logs go to stderr, since stdout is for data. */

import { configure, getTextFormatter } from "@logtape/logtape";
import type { Settings } from "./settings.ts";

const encoder = new TextEncoder();

/** Texts as they are, but for what could forge a line or command a terminal: some of them come from viewers. */
function printable(value: unknown): string {
  const text = typeof value === "string" ? value : Deno.inspect(value);
  // deno-lint-ignore no-control-regex -- these are what it is about
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  }).replaceAll("\n", "\n  ");
}

export async function configureLogging(level: Settings["logLevel"]): Promise<void> {
  const format = getTextFormatter({ timestamp: "time", level: "full", value: printable });
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
