/** Commands under a keeper, and what became of the processes that they started. */

import {
  type AgentEnd,
  type AgentUsage,
  Keeper,
  type KeeperSpec,
} from "../../core/agents/keeper.ts";
import { locateAssets } from "../../core/assets.ts";
import { waitFor } from "./wait.ts";

export const { keeperPath } = locateAssets();

/** A command under a keeper that is ended at the end of the scope. */
export class Kept implements AsyncDisposable {
  readonly lines: { stream: "stdout" | "stderr" | "keeper"; text: string }[] = [];
  readonly usages: AgentUsage[] = [];
  readonly keeper: Keeper;
  pid: number | null = null;

  constructor(
    spec: Partial<KeeperSpec> & { command: readonly string[] },
    path = keeperPath,
    silentMsMax?: number,
  ) {
    const rest = { cwd: null, memoryMaxBytes: null, stopGraceMs: 30_000 };
    const env = { ...Deno.env.toObject(), ...spec.env };
    this.keeper = Keeper.start(path, { ...rest, ...spec, env }, {
      onStarted: (pid) => this.pid = pid,
      onLine: (stream, text) => this.lines.push({ stream, text }),
      onUsage: (usage) => this.usages.push(usage),
    }, silentMsMax);
  }

  get ended(): Promise<AgentEnd> {
    return this.keeper.ended;
  }

  /** The text of a stream's lines. */
  texts(stream: "stdout" | "stderr" | "keeper" = "stdout"): string[] {
    return this.lines.filter((line) => line.stream === stream).map(({ text }) => text);
  }

  /** The numbers that the command prints, one a line, once there are so many. */
  async numbers(count: number): Promise<number[]> {
    await waitFor(`${count} lines`, () => this.texts().length >= count, () => this.lines);
    return this.texts().slice(0, count).map(Number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.keeper.kill();
    await this.keeper.ended;
  }
}

export function shell(script: string): { command: readonly string[] } {
  return { command: ["bash", "-c", script] };
}

/** Prints the numbers of three processes besides itself: a child, one with a session of its own, one that has forked away. */
export const FAMILY = `
  sleep 1000 & echo $!
  setsid sleep 1000 & echo $!
  (setsid bash -c 'trap "" TERM; sleep 1000 & echo $!; wait' &)
  echo $$
`;
export const FAMILY_SIZE = 4;
