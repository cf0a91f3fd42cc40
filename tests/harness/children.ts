/** Processes that another has started. */

/** The child of `parent` whose command line has this word; undefined without one. */
export function childOf(parent: number, word: string): number | undefined {
  for (const { name } of Deno.readDirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    try {
      const status = Deno.readTextFileSync(`/proc/${pid}/status`);
      const words = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
      if (new RegExp(`^PPid:\\s+${parent}$`, "m").test(status) && words.includes(word)) return pid;
    } catch {
      // It has ended meanwhile.
    }
  }
}
