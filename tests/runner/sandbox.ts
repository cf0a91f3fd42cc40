/**
 * The folder and the environments that tests run in, and what they left behind there. Processes are
 * known by the folder's name in their environment or command line, so that whatever else runs on
 * the machine meanwhile is neither blamed nor touched.
 */

const SEGMENT_FOLDER = "/dev/shm";
const SEGMENT_PREFIX = "mosaic.run.";
/** Offset of producer_pid (u32) in a segment's header, see docs/ring.md. */
const PRODUCER_PID_OFFSET = 48;
/** Browsers take a moment to end all of their processes. */
const SETTLE_MS = 5_000;

export interface Leftover {
  readonly kind: "process" | "segment" | "socket";
  readonly description: string;
}

export class Sandbox {
  readonly #segmentsBefore = segments();
  #roomsCount = 0;

  private constructor(
    /** Made for this run alone. */
    readonly folder: string,
  ) {}

  static async create(): Promise<Sandbox> {
    return new Sandbox(await Deno.makeTempDir({ prefix: "tb-" }));
  }

  /**
   * A new room, which commands have to themselves: its whole environment, with folders of its own for files, sockets and
   * data, and without any TELEBRIDGE_* setting of the caller's.
   */
  async newRoom(): Promise<Record<string, string>> {
    const folder = `${this.folder}/${++this.#roomsCount}`; // short: sockets' paths have 107 bytes
    await Deno.mkdir(`${folder}/runtime`, { recursive: true, mode: 0o700 });
    const inherited = Object.entries(Deno.env.toObject())
      .filter(([name]) => !name.startsWith("TELEBRIDGE_"));
    return {
      ...Object.fromEntries(inherited),
      TMPDIR: folder,
      XDG_RUNTIME_DIR: `${folder}/runtime`,
      XDG_DATA_HOME: `${folder}/data`,
      XDG_STATE_HOME: `${folder}/state`,
      NO_COLOR: "1",
    };
  }

  /** What is still there, once whatever is ending has had time to end. */
  async leftovers(settleMs = SETTLE_MS): Promise<Leftover[]> {
    const deadline = Date.now() + settleMs;
    let processes = this.#processes();
    while (processes.size > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      processes = this.#processes();
    }
    return [
      ...[...processes].map(([pid, commandLine]): Leftover => ({
        kind: "process",
        description: `${pid} ${commandLine}`,
      })),
      ...this.#segments().map((description): Leftover => ({ kind: "segment", description })),
      ...[...sockets(this.folder)].map((description): Leftover => ({
        kind: "socket",
        description,
      })),
    ];
  }

  /** Ends what was left running and removes the folder. */
  async remove(): Promise<void> {
    for (const pid of this.#processes().keys()) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
    await Deno.remove(this.folder, { recursive: true });
  }

  #processes(): Map<number, string> {
    const found = new Map<number, string>();
    for (const { name } of Deno.readDirSync("/proc")) {
      const pid = Number(name);
      if (!Number.isInteger(pid) || pid === Deno.pid) continue;
      const commandLine = readProc(pid, "cmdline").replaceAll("\0", " ").trim();
      if (commandLine.includes(this.folder) || readProc(pid, "environ").includes(this.folder)) {
        found.set(pid, commandLine);
      }
    }
    return found;
  }

  /** New segments, without those that a living process outside the sandbox publishes. */
  #segments(): string[] {
    const ours = this.#processes();
    return [...segments()].filter(([name, inode]) => {
      if (this.#segmentsBefore.get(name) === inode) return false;
      const producerPid = readProducerPid(name);
      return ours.has(producerPid) || readProc(producerPid, "cmdline") === "";
    }).map(([name]) => name);
  }
}

/** Names and inode numbers of all segments of telebridge runs on this machine. */
function segments(): Map<string, number | null> {
  const found = new Map<string, number | null>();
  for (const { name } of Deno.readDirSync(SEGMENT_FOLDER)) {
    if (!name.startsWith(SEGMENT_PREFIX)) continue;
    try {
      found.set(name, Deno.statSync(`${SEGMENT_FOLDER}/${name}`).ino);
    } catch {
      // Removed meanwhile.
    }
  }
  return found;
}

/** 0 where the segment is gone, somebody else's, or has no whole header. */
function readProducerPid(segment: string): number {
  try {
    using file = Deno.openSync(`${SEGMENT_FOLDER}/${segment}`);
    const header = new Uint8Array(PRODUCER_PID_OFFSET + 4);
    file.readSync(header);
    return new DataView(header.buffer).getUint32(PRODUCER_PID_OFFSET, true);
  } catch {
    return 0;
  }
}

/** Empty where the process has ended, is a zombie, or is another user's. */
function readProc(pid: number, file: "cmdline" | "environ"): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${file}`);
  } catch {
    return "";
  }
}

function* sockets(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sockets(path);
    else if (Deno.lstatSync(path).isSocket) yield path;
  }
}
