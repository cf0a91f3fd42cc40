/**
 * What a killed keeper leaves: processes that its command had started. They are nobody's children any more and may have
 * sessions of their own, but all inherited a variable that no other process has.
 */

import { pause } from "../pause.ts";

/** In the environment of a keeper and of all that it started: a word of its own. */
export const KEEPER_MARK = "TELEBRIDGE_KEEPER_MARK";

const ROUND_MS = 20;
/** What has not ended by SIGKILL after so many rounds waits for the kernel. */
const ROUNDS_MAX = 100;

export interface MarkedProcess {
  pid: number;
  mark: string;
  /** As "NAME=value". */
  variables: ReadonlySet<string>;
}

/** Kills all processes with this mark. Resolves to those that do not end. */
export async function endMarked(mark: string): Promise<number[]> {
  let found: MarkedProcess[] = [];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    found = (await markedProcesses()).filter((process) => process.mark === mark);
    if (found.length === 0) break;
    for (const { pid } of found) killIfAny(pid);
    await pause(ROUND_MS);
  }
  return found.map(({ pid }) => pid);
}

/** Those that any keeper has started, and keepers. */
export async function markedProcesses(): Promise<MarkedProcess[]> {
  const found: MarkedProcess[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const variables = await variablesOf(pid);
    const word = [...variables].find((variable) => variable.startsWith(`${KEEPER_MARK}=`));
    if (word !== undefined) found.push({ pid, mark: word.split("=")[1]!, variables });
  }
  return found;
}

/** Empty for those that have ended, and for other users'. */
export async function variablesOf(pid: number): Promise<Set<string>> {
  return new Set((await readIfAny(`/proc/${pid}/environ`)).split("\0"));
}

/** On another thread: a process that the kernel holds up holds up who reads of it. */
export async function readIfAny(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return "";
  }
}

function killIfAny(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
