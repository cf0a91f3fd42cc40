/**
 * What a killed keeper leaves: processes that its command had started. They are nobody's children any more and may have
 * sessions of their own, but all inherited a variable that no other process has.
 */

/** In the environment of a keeper and of all that it started: a word of its own. */
export const KEEPER_MARK = "TELEBRIDGE_KEEPER_MARK";

const ROUND_MS = 20;
/** What has not ended by SIGKILL after so many rounds waits for the kernel. */
const ROUNDS_MAX = 100;

/** Kills all processes with this mark. Resolves to those that do not end. */
export async function endMarked(mark: string): Promise<number[]> {
  const word = `${KEEPER_MARK}=${mark}`;
  let found: number[] = [];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    found = markedProcesses(word);
    if (found.length === 0) break;
    for (const pid of found) killIfAny(pid);
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
  }
  return found;
}

function markedProcesses(word: string): number[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name))
    .map(({ name }) => Number(name))
    .filter((pid) => environmentOf(pid).split("\0").includes(word));
}

/** Empty for those that have ended, and for other users'. */
function environmentOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`);
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
