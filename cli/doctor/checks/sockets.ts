/** Unix sockets and FIFOs, in the folder where workers and server meet. */

import { messageOf } from "../../../core/errors.ts";
import { randomHex } from "../../../core/random.ts";
import type { Check, Finding } from "../check.ts";
import { runChild } from "../../../core/child.ts";

const NAME_BYTES = 4;
const BYTES = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);

export const sockets: Check = {
  name: "sockets",
  async run({ library }, signal) {
    if (library === null) return [];
    let folder: string;
    try {
      folder = library.runtimeDir();
    } catch (error) {
      return [{
        name: "sockets",
        level: "fail",
        text: messageOf(error),
        change: {
          why: "workers and server meet in a folder that must be yours alone",
          command: 'export TELEBRIDGE_RUNTIME_DIR="$HOME/.telebridge"   # for workers too',
        },
      }];
    }
    return [await socketFinding(folder), await fifoFinding(folder, signal)];
  },
};

/** A name in that folder, removed again. */
async function withName<Result>(folder: string, use: (path: string) => Promise<Result>) {
  const path = `${folder}/.doctor-${randomHex(NAME_BYTES)}`;
  try {
    return await use(path);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

async function socketFinding(folder: string): Promise<Finding> {
  const facts = { folder };
  try {
    await withName(folder, async (path) => {
      const address = { transport: "unixpacket", path } as const;
      const socket = Deno.listenDatagram(address);
      try {
        await socket.send(BYTES, address);
        await socket.receive();
      } finally {
        socket.close();
      }
    });
    return { name: "sockets", level: "ok", text: `unix sockets in ${folder}`, facts };
  } catch (error) {
    return {
      name: "sockets",
      level: "warn",
      text: `none in ${folder}: ${messageOf(error)}`,
      facts,
      change: {
        why: "workers cannot wake the server, which then looks for frames by itself, and late",
        command: 'export TELEBRIDGE_RUNTIME_DIR="$HOME/.telebridge"   # for workers too',
      },
    };
  }
}

async function fifoFinding(folder: string, signal: AbortSignal): Promise<Finding> {
  try {
    return await withName(folder, async (path) => {
      const made = await runChild(["mkfifo", "-m", "600", path], signal);
      if (made === null) return { name: "fifo", level: "note", text: "no mkfifo to try them with" };
      if (made.code !== 0) return { name: "fifo", level: "note", text: made.stderr.trim() };
      // Both ends at once: Linux does not block then (fifo(7)).
      using fifo = await Deno.open(path, { read: true, write: true });
      await fifo.write(BYTES);
      const read = await fifo.read(new Uint8Array(BYTES.byteLength));
      const works = read === BYTES.byteLength;
      return works
        ? { name: "fifo", level: "ok", text: `FIFOs in ${folder}` }
        : { name: "fifo", level: "note", text: `a FIFO in ${folder} gave ${read} of 8 bytes` };
    });
  } catch (error) {
    return { name: "fifo", level: "note", text: `none in ${folder}: ${messageOf(error)}` };
  }
}
