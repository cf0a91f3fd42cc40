/** What /proc says of processes: proc_pid_stat(5). */

/** The letter of its state; null: there is no such process. */
export function stateOf(pid: number): string | null {
  return fieldsOf(pid)?.[0] ?? null;
}

/** 0: there is no such process. */
export function parentOf(pid: number): number {
  return Number(fieldsOf(pid)?.[1] ?? 0);
}

/** All processes that were started by it, or by those. */
export function descendantsOf(ancestor: number): number[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter(
    Number.isInteger,
  );
  const children = Map.groupBy(pids, parentOf);
  const found = [...children.get(ancestor) ?? []];
  for (const pid of found) found.push(...children.get(pid) ?? []);
  return found;
}

/** The child of `parent` whose command line has this word; undefined without one. */
export function childOf(parent: number, word: string): number | undefined {
  return descendantsOf(parent).find((pid) =>
    parentOf(pid) === parent && wordsOf(pid).includes(word)
  );
}

/** Those that run. */
export function alive(pids: readonly number[]): number[] {
  return pids.filter((pid) => ![null, "Z", "X"].includes(stateOf(pid)));
}

/** From the state on. */
function fieldsOf(pid: number): string[] | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

/** Of its command line; none for a zombie. */
function wordsOf(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  } catch {
    return [];
  }
}
