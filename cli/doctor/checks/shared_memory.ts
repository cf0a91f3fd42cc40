/** /dev/shm: every run on this machine has its frames there. */

import { statfs } from "node:fs/promises";
import { messageOf } from "../../../core/errors.ts";
import { randomHex } from "../../../core/random.ts";
import { segmentNames } from "../../../core/segments.ts";
import type { Change, Check, Finding } from "../check.ts";
import { inBytes, inContainer, MIB, plural } from "../text.ts";

const FOLDER = "/dev/shm";
/** Of a ring, unless its worker says otherwise. */
const RUN_BYTES = 64 * MIB;
const SIZE_MIN = 8 * RUN_BYTES;
const NAME_BYTES = 4;

export const sharedMemory: Check = {
  name: "shm",
  async run({ environment }) {
    const container = await inContainer(environment);
    let runs: number;
    try {
      runs = [...segmentNames()].length;
    } catch (error) {
      // Serve looks there when it starts.
      return [unusable("fail", messageOf(error), container)];
    }
    try {
      await writeOne();
    } catch (error) {
      return [unusable("warn", messageOf(error), container)];
    }
    const { bsize, blocks, bavail } = await statfs(FOLDER);
    const [size, free] = [blocks * bsize, bavail * bsize];
    const change = changeOf(size, free, container);
    return [{
      name: "shm",
      level: change === null ? "ok" : "warn",
      text: `${inBytes(size)}, ${inBytes(free)} free, ${plural(runs, "run")} in it`,
      facts: { size_bytes: size, free_bytes: free, runs },
      ...(change === null ? {} : { change }),
    }];
  },
};

function unusable(level: "warn" | "fail", text: string, container: boolean): Finding {
  return {
    name: "shm",
    level,
    text: `${FOLDER}: ${text}`,
    change: {
      why: `runs on this machine live in ${FOLDER}, and it cannot be used`,
      command: container
        ? "docker run --shm-size=2g …"
        : `sudo mount -t tmpfs -o mode=1777 tmpfs ${FOLDER}`,
    },
  };
}

/** As a worker would; removed at once. */
async function writeOne(): Promise<void> {
  const path = `${FOLDER}/telebridge-doctor.${randomHex(NAME_BYTES)}`;
  using file = await Deno.open(path, { createNew: true, write: true, mode: 0o600 });
  await Deno.remove(path);
  await file.write(new Uint8Array(1));
}

function changeOf(size: number, free: number, container: boolean): Change | null {
  if (size < SIZE_MIN) {
    return {
      why: `${FOLDER} has room for ${plural(Math.floor(size / RUN_BYTES), "run")}: each takes ${
        inBytes(RUN_BYTES)
      } there`,
      command: container ? "docker run --shm-size=2g …" : `sudo mount -o remount,size=2G ${FOLDER}`,
    };
  }
  if (free < 2 * RUN_BYTES) {
    return {
      why: `${FOLDER} is nearly full: a run takes ${inBytes(RUN_BYTES)} there`,
      command: `ls -lS ${FOLDER}   # what is there, the largest first`,
    };
  }
  return null;
}
