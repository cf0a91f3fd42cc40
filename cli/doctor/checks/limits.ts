/** What a process may have here: open files, locked memory, and what its control group has of memory and processors. */

import type { Check, Finding } from "../check.ts";
import { inBytes, MIB, plural, textIfAny } from "../text.ts";

/** Viewers, runs and workers have some each; a process that raises its limit itself counts as raised. */
const FILES_MIN = 4096;
/** Rings, encoders and SQLite's cache. */
const MEMORY_ROOM_MIN = 512 * MIB;
const CPUS_MIN = 1;

export const limits: Check = {
  name: "limits",
  async run() {
    const text = await textIfAny("/proc/self/limits") ?? "";
    const files = limitOf(text, "Max open files");
    const locked = limitOf(text, "Max locked memory");
    const says = `${files} open files, ${
      locked === Infinity ? "any" : inBytes(locked)
    } of locked memory`;
    const facts = { open_files: orNull(files), locked_memory_bytes: orNull(locked) };
    const finding: Finding = files >= FILES_MIN
      ? { name: "limits", level: "ok", text: says, facts }
      : {
        name: "limits",
        level: "warn",
        text: `${says}: few files`,
        facts,
        change: {
          why: `with ${files} open files a few dozen viewers and runs are all there can be`,
          command: `ulimit -n ${FILES_MIN * 4}   # before telebridge serve`,
        },
      };
    return [finding, ...await cgroupFindings()];
  },
};

function orNull(limit: number): number | null {
  return limit === Infinity ? null : limit;
}

/** The soft one; proc(5). */
function limitOf(text: string, name: string): number {
  const value = new RegExp(`^${name}\\s+(\\S+)`, "m").exec(text)?.[1];
  return value === undefined || value === "unlimited" ? Infinity : Number(value);
}

/** Version 2 in one tree; of version 1 what its memory controller says. */
async function cgroupFindings(): Promise<Finding[]> {
  const memory = await tightestMemory();
  const cpus = await cpuQuota();
  if (memory === null && cpus === null) {
    return [{ name: "cgroup", level: "ok", text: "no limit on memory or processors" }];
  }
  const room = memory === null ? Infinity : memory.limit - memory.used;
  const text = [
    ...(memory === null
      ? []
      : [`${inBytes(memory.used)} of ${inBytes(memory.limit)} of memory are used`]),
    ...(cpus === null ? [] : [`${plural(cpus, "CPU")}`]),
  ].join(", ");
  const facts = {
    memory_limit_bytes: memory?.limit ?? null,
    memory_used_bytes: memory?.used ?? null,
    cpus,
  };
  if (room >= MEMORY_ROOM_MIN && (cpus ?? CPUS_MIN) >= CPUS_MIN) {
    return [{ name: "cgroup", level: "ok", text, facts }];
  }
  const change = room < MEMORY_ROOM_MIN
    ? {
      why: "the frames of every run count as memory here: its kernel ends whoever passes the limit",
      command: "docker run --memory=4g …   # or MemoryMax= of the unit, limits.memory of the pod",
    }
    : {
      why: "less than one processor encodes and serves late",
      command: "docker run --cpus=2 …   # or CPUQuota= of the unit, limits.cpu of the pod",
    };
  return [{ name: "cgroup", level: "warn", text, facts, change }];
}

interface MemoryUse {
  limit: number;
  used: number;
}

async function tightestMemory(): Promise<MemoryUse | null> {
  let tightest: MemoryUse | null = null;
  for await (const folder of cgroupFolders()) {
    const limit = await numberIn(`${folder}/memory.max`) ??
      await numberIn(`${folder}/memory.limit_in_bytes`);
    // Version 1 says 2^63, less a page, for none.
    if (limit === null || limit > 2 ** 60) continue;
    const used = await numberIn(`${folder}/memory.current`) ??
      await numberIn(`${folder}/memory.usage_in_bytes`) ?? 0;
    if (tightest === null || limit - used < tightest.limit - tightest.used) {
      tightest = { limit, used };
    }
  }
  return tightest;
}

async function cpuQuota(): Promise<number | null> {
  let least: number | null = null;
  for await (const folder of cgroupFolders()) {
    const [quota, period] = (await textIfAny(`${folder}/cpu.max`) ?? "").split(" ").map(Number);
    if (!quota || !period) continue;
    const cpus = Math.round(quota / period * 10) / 10;
    least = Math.min(least ?? cpus, cpus);
  }
  return least;
}

/** Our group's folder and those above it. In a container's namespace the first may only look as if it were the root. */
async function* cgroupFolders(): AsyncGenerator<string> {
  const lines = (await textIfAny("/proc/self/cgroup") ?? "").split("\n");
  for (const line of lines) {
    const [, controllers, ...rest] = line.split(":");
    if (controllers !== "" && controllers !== "memory") continue;
    const root = controllers === "" ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${controllers}`;
    const parts = rest.join(":").split("/").filter((part) => part !== "" && part !== "..");
    for (let count = parts.length; count >= 0; count--) {
      yield [root, ...parts.slice(0, count)].join("/");
    }
  }
}

async function numberIn(path: string): Promise<number | null> {
  const text = await textIfAny(path);
  return text === null || !/^\d+$/.test(text) ? null : Number(text);
}
