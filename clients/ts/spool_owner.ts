/**
 * Whose spool it is. A folder belongs to the process that `owner.json` names for as long as that lives; one without an
 * owner, or with a dead one, may be taken by whoever renames it first.
 */

import { readFileSync, readlinkSync } from "node:fs";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

const OWNER_FILE = "owner.json";
/** An owner that cannot be looked up (another machine or container with the same home) says so often that it lives. */
const HEARTBEAT_MS = 10_000;
const SILENT_MS_MAX = 60_000;

interface Owner {
  pid: number;
  /** When it started, in ticks since the machine did: pids are used again. */
  startTicks: string;
  /** Pids mean something within one boot and one pid namespace. */
  world: string;
}

function textOf(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return ""; // not Linux
  }
}

function startTicksOf(pid: number): string {
  const stat = textOf(() => readFileSync(`/proc/${pid}/stat`, "utf8"));
  // proc(5): the 22nd field; the 2nd may hold anything, in parentheses.
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function ownWorld(): string {
  const boot = textOf(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8"));
  return `${boot} ${textOf(() => readlinkSync("/proc/self/ns/pid"))}`;
}

function isAlive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return startTicksOf(owner.pid) === owner.startTicks;
}

export function writeOwner(folder: string): Promise<void> {
  const owner: Owner = {
    pid: process.pid,
    startTicks: startTicksOf(process.pid),
    world: ownWorld(),
  };
  return writeFile(join(folder, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 });
}

/** Keeps saying that this process lives, until stopped. */
export function startHeartbeat(folder: string): () => void {
  const timer = setInterval(() => void writeOwner(folder).catch(() => {}), HEARTBEAT_MS);
  // A number in browsers' types.
  (timer as unknown as { unref(): void }).unref();
  return () => clearInterval(timer);
}

/** Nobody's any more; whoever comes may take it. */
export function disown(folder: string): Promise<void> {
  return rm(join(folder, OWNER_FILE), { force: true });
}

export async function isAbandoned(folder: string): Promise<boolean> {
  const path = join(folder, OWNER_FILE);
  try {
    const owner: Owner = JSON.parse(await readFile(path, "utf8"));
    if (owner.world === ownWorld()) return !isAlive(owner);
    return Date.now() - (await stat(path)).mtimeMs > SILENT_MS_MAX;
  } catch (error) {
    // Without a word, or with half a word, for long enough: the owner died while it wrote it.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    const age = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs).catch(() => 0);
    return age > SILENT_MS_MAX;
  }
}

/** Makes an abandoned folder ours. Returns its new name, or null when another was quicker. */
export async function adopt(folder: string, newName: string): Promise<string | null> {
  try {
    await rename(folder, newName);
    await writeOwner(newName);
    return newName;
  } catch {
    return null;
  }
}
