/**
 * What servers of a data directory have left that were killed: keepers that are still ending their commands, and, where
 * both were killed, what those had started. The next server waits for its end: there are never two lives of one agent.
 */

import { basename } from "node:path";
import { pause } from "../pause.ts";
import { endMarked, KEEPER_MARK, markedProcesses, readIfAny, variablesOf } from "./orphans.ts";

/** Between two looks at a keeper that gives its command time. */
const LOOK_MS = 50;
/** proc_pid_status(5): one that is stopped ends nothing. */
const STOPPED = /^State:\s*[Tt]/m;

/** All of one keeper. */
interface FormerLife {
  mark: string;
  pids: number[];
}

export class FormerAgents {
  readonly #dataDir: string;
  readonly #keeperName: string;
  #lives: Promise<Map<string, FormerLife[]>> | null = null;

  constructor(dataDir: string, keeperPath: string) {
    this.#dataDir = dataDir;
    this.#keeperName = basename(keeperPath);
  }

  /** To be called before each start: nothing of this server runs when it looks around, which it does once. */
  async ended(name: string, onWaiting: (pids: readonly number[]) => void): Promise<void> {
    const lives = await (this.#lives ??= this.#find());
    for (const { mark, pids } of lives.get(name) ?? []) {
      onWaiting(pids);
      while (await this.#isEnding(mark, pids)) await pause(LOOK_MS);
      await endMarked(mark);
    }
    lives.delete(name);
  }

  async #find(): Promise<Map<string, FormerLife[]>> {
    const lives = new Map<string, FormerLife[]>();
    for (const { pid, mark, variables } of await markedProcesses()) {
      if (!variables.has(`TELEBRIDGE_DATA_DIR=${this.#dataDir}`)) continue;
      const run = [...variables].find((variable) => variable.startsWith("TELEBRIDGE_RUN="));
      const name = run?.split("=")[1] ?? "";
      const known = lives.get(name) ?? [];
      const life = known.find((other) => other.mark === mark);
      if (life !== undefined) life.pids.push(pid);
      else lives.set(name, [...known, { mark, pids: [pid] }]);
    }
    return lives;
  }

  /** Whether a keeper among them is still at it: of ours, since whoever else may take its name could let us wait. */
  async #isEnding(mark: string, pids: readonly number[]): Promise<boolean> {
    for (const pid of pids) {
      const [program] = (await readIfAny(`/proc/${pid}/cmdline`)).split("\0");
      if (basename(program!) !== this.#keeperName) continue;
      const status = await readIfAny(`/proc/${pid}/status`);
      const isOurs = status.includes(`\nUid:\t${Deno.uid()}\t`);
      const isSame = (await variablesOf(pid)).has(`${KEEPER_MARK}=${mark}`);
      if (isOurs && isSame && !STOPPED.test(status)) return true;
    }
    return false;
  }
}
