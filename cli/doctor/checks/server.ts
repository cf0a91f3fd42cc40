/** A `serve` that runs here, on this data directory. */

import { findServer } from "../../../core/data_dir.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Check } from "../check.ts";

export const server: Check = {
  name: "server",
  async run({ dataDir }, signal) {
    const found = await findServer(dataDir);
    if (found === null) {
      const text = "none runs on this data directory";
      return [{ name: "server", level: "note", text, facts: { running: false } }];
    }
    const facts = { running: true, pid: found.pid, url: found.url };
    const says = `process ${found.pid} serves ${found.url}`;
    // A self-signed certificate is no stranger's here, but nothing says so to fetch().
    if (found.url.startsWith("https:")) return [{ name: "server", level: "ok", text: says, facts }];
    try {
      const response = await fetch(new URL("/healthz", found.url), { signal });
      await response.body?.cancel();
      return [{
        name: "server",
        level: response.ok ? "ok" : "warn",
        text: response.ok ? says : `${says}, and says ${response.status} of its health`,
        facts,
      }];
    } catch (error) {
      return [{
        name: "server",
        level: "warn",
        text: `${says}, and does not answer: ${messageOf(error)}`,
        facts,
        change: {
          why: "the server that runs here does not answer",
          command: `kill ${found.pid} && telebridge serve`,
        },
      }];
    }
  },
};
