/** The data directory, the disk it is on, and how fast that is. */

import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { checkDataDir } from "../../../core/data_dir.ts";
import { messageOf, UserError } from "../../../core/errors.ts";
import type { Change, Check, Finding } from "../check.ts";
import type { DiskSpeed } from "../disk_speed.ts";
import { probe } from "../probe.ts";
import { exists, GIB, inBytes } from "../text.ts";

const FREE_MIN = GIB;
/** A commit that is synced waits for the disk at least so long. */
const SYNC_MS_MAX = 50;

/** Magic numbers of statfs(2). The others are disks. */
const FILE_SYSTEMS: Readonly<Record<number, { name: string; is: "network" | "memory" | "layer" }>> =
  {
    0x6969: { name: "NFS", is: "network" },
    0xff534d42: { name: "CIFS", is: "network" },
    0xfe534d42: { name: "SMB", is: "network" },
    0x0bd00bd0: { name: "Lustre", is: "network" },
    0x00c36400: { name: "Ceph", is: "network" },
    0x01021994: { name: "tmpfs", is: "memory" },
    0x858458f6: { name: "ramfs", is: "memory" },
    0x794c7630: { name: "overlayfs", is: "layer" },
  };

export const dataDirectory: Check = {
  name: "data",
  async run({ dataDir }) {
    const isThere = await exists(dataDir);
    try {
      if (isThere) checkDataDir(dataDir);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return [unusable("data", dataDir, error.message)];
    }
    const { type, bsize, bavail } = await statfs(await nearestFolder(dataDir));
    const free = bsize * bavail;
    const kind = FILE_SYSTEMS[type >>> 0];
    const place = isThere ? dataDir : `${dataDir} (serve makes it)`;
    const change = changeOf(free, kind?.is);
    return [{
      name: "data",
      level: change === null ? "ok" : "warn",
      text: `${place}, ${inBytes(free)} free${kind === undefined ? "" : ` on ${kind.name}`}`,
      facts: {
        path: dataDir,
        exists: isThere,
        free_bytes: free,
        file_system: kind?.name ?? null,
      },
      ...(change === null ? {} : { change }),
    }];
  },
};

export const disk: Check = {
  name: "disk",
  msMax: 4_000,
  async run(box, signal) {
    const folder = await nearestFolder(box.dataDir);
    let speed: DiskSpeed;
    try {
      speed = await probe("disk", box, signal, folder);
    } catch (error) {
      return [unusable("disk", folder, `cannot write there: ${messageOf(error)}`)];
    }
    return [speedFinding(speed)];
  },
};

/** Where the data directory is, or will be. */
async function nearestFolder(path: string): Promise<string> {
  let folder = path;
  while (!await exists(folder) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

function unusable(name: string, folder: string, text: string): Finding {
  return {
    name,
    level: "fail",
    text,
    change: {
      why: `${folder} cannot hold what must last`,
      command: "telebridge serve --data-dir DIR   # one that is yours, on a disk of this machine",
    },
  };
}

function changeOf(free: number, is: "network" | "memory" | "layer" | undefined): Change | null {
  if (is === "network") {
    return {
      why:
        "SQLite's WAL needs a disk of this machine: on a network's it may lose or damage what is stored",
      command: "telebridge serve --data-dir /var/tmp/telebridge",
    };
  }
  if (is === "memory") {
    return {
      why: "the data directory is in memory: what is stored is gone after a reboot",
      command: "telebridge serve --data-dir DIR   # on a disk",
    };
  }
  if (free < FREE_MIN) {
    return {
      why: `${inBytes(free)} are free for what is stored; a full disk stops recording`,
      command: "telebridge runs   # lists them; telebridge runs delete RUN makes room",
    };
  }
  return null;
}

function speedFinding({ write_bytes_per_s, sync_ms, sync_ms_max }: DiskSpeed): Finding {
  const finding: Finding = {
    name: "disk",
    level: "ok",
    text: `${inBytes(write_bytes_per_s)}/s written and synced; fdatasync of 4 KiB ${
      inMs(sync_ms)
    }, at most ${inMs(sync_ms_max)}`,
    facts: { write_bytes_per_s, sync_ms, sync_ms_max },
  };
  if (sync_ms <= SYNC_MS_MAX) return finding;
  return {
    ...finding,
    level: "warn",
    change: {
      why: `a "synced" ack waits for the disk, ${inMs(sync_ms)} at least`,
      command: "telebridge serve --data-dir DIR   # on a faster disk",
    },
  };
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
