/** The ingest process as its parent starts it: at a lower priority, and ending with us whatever happens to us. */

import { howEnded, killIfAny } from "../child.ts";
import type { FromIngest, ToIngest } from "./feed.ts";
import { FeedChannel } from "./feed_channel.ts";

/** The fast lane wins where both want the processor. */
const NICENESS = 5;
/** What starts it, best first. */
const WRAPPERS: readonly (readonly string[])[] = [
  ["setpriv", "--pdeathsig", "TERM", "nice", "-n", String(NICENESS)],
  // Without util-linux: it sees the end of its standard input then.
  ["nice", "-n", String(NICENESS)],
  [],
];

export class IngestProcess {
  readonly channel: FeedChannel<ToIngest, FromIngest>;
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.channel = new FeedChannel({ readable: child.stdout, writable: child.stdin });
  }

  /** Starts `command`. Its log goes to our stderr. */
  static spawn(command: readonly string[]): IngestProcess {
    return new IngestProcess(spawnWrapped(command));
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resolves to how it ended, in words. */
  async ended(): Promise<string> {
    const status = await this.#child.status;
    this.channel.close();
    return howEnded(status);
  }

  kill(): void {
    killIfAny(this.#child, "SIGKILL");
  }
}

function spawnWrapped(command: readonly string[]): Deno.ChildProcess {
  const streams = { stdin: "piped", stdout: "piped", stderr: "inherit" } as const;
  for (const wrapper of WRAPPERS) {
    const [program, ...args] = [...wrapper, ...command];
    try {
      return new Deno.Command(program!, { args, ...streams }).spawn();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || wrapper.length === 0) throw error;
    }
  }
  throw new Error("no way to start a process was tried");
}
