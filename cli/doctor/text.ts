/** Words that several checks use. */

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

/** "3.8 GiB" */
export function inBytes(bytesCount: number): string {
  let size = bytesCount;
  let unit = 0;
  for (; size >= 1024 && unit < BINARY_UNITS.length - 1; unit++) size /= 1024;
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${BINARY_UNITS[unit]}`;
}

/** "3 CPUs", "1 CPU" */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** As one word of a shell's line, quoted where it must be. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The text of a small file; null where it cannot be read. */
export async function textIfAny(path: string): Promise<string | null> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch {
    return null;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

/** Names in a folder; none where it cannot be read. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).toSorted();
  } catch {
    return [];
  }
}

/** Whether this is a container: what is lacking is then given from outside. */
export async function inContainer(environment: Readonly<Record<string, string>>): Promise<boolean> {
  return environment.container !== undefined || environment.KUBERNETES_SERVICE_HOST !== undefined ||
    await exists("/.dockerenv") || await exists("/run/.containerenv");
}
