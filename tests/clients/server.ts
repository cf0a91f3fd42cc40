/** The server that clients of this suite talk to, and how it is hurt. */

import type { TestBox } from "../harness/box.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

/** Any free port for gRPC: servers of other tests, or of this machine's user, have the usual one. */
export function startServer(box: TestBox): Promise<Serve> {
  return Serve.start(box, { args: ["--grpc-port=0", "--log-level=error"] });
}

/** The pid of the server's ingest process. */
export function ingestPid(serve: Serve): Promise<number> {
  return waitFor("the ingest process", () => {
    const children = Deno.readTextFileSync(`/proc/${serve.pid}/task/${serve.pid}/children`);
    return children.trim().split(" ").filter(Boolean).map(Number).find((pid) =>
      commandLine(pid).includes("ingest")
    );
  });
}

function commandLine(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  } catch {
    return []; // it has just ended
  }
}
