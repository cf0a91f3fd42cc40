/** Who has a port: what the kernel tells of its sockets, and of whose they are (proc(5)). */

import { namesIn, textIfAny } from "./text.ts";

const LISTENING = "0A";

export interface PortOwner {
  uid: number;
  /** null where it is another user's process, which only root may look into. */
  pid: number | null;
  /** Its name, as the kernel has it. */
  command: string | null;
}

/** Of what listens on a TCP port, on whatever address; null when nothing does, or it is in another namespace. */
export async function ownerOfPort(port: number): Promise<PortOwner | null> {
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of (await textIfAny(table) ?? "").split("\n").slice(1)) {
      const [, local, , state, , , , uid, , inode] = line.trim().split(/\s+/);
      if (state !== LISTENING || parseInt(local!.split(":")[1]!, 16) !== port) continue;
      return { uid: Number(uid), ...await holderOf(inode!) };
    }
  }
  return null;
}

/** The process that has the socket of that inode open. */
async function holderOf(inode: string): Promise<Pick<PortOwner, "pid" | "command">> {
  const link = `socket:[${inode}]`;
  for (const name of await namesIn("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    for (const fd of await namesIn(`/proc/${name}/fd`)) {
      const target = await Deno.readLink(`/proc/${name}/fd/${fd}`).catch(() => "");
      if (target !== link) continue;
      return { pid: Number(name), command: await textIfAny(`/proc/${name}/comm`) };
    }
  }
  return { pid: null, command: null };
}

/** "python3 (process 4711)" */
export function ownerInWords(owner: PortOwner | null): string {
  if (owner === null) return "somebody";
  if (owner.pid === null) return `a process of user ${owner.uid}`;
  return `${owner.command ?? "process"} (process ${owner.pid})`;
}
