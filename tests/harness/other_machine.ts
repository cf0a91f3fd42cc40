/**
 * As good as another machine: a network of its own behind a cable, a /dev/shm of its own, another boot id, and a
 * CLOCK_MONOTONIC that began at another time.
 */

import type { TestBox } from "./box.ts";

/** What its CLOCK_MONOTONIC is ahead of ours. */
export const CLOCK_AHEAD_S = 1_000_000;

const INSIDE = [
  "unshare",
  ...["--mount", "--time", `--monotonic=${CLOCK_AHEAD_S}`, "--fork", "--kill-child"],
  "sh",
  "-c",
  'mount -t tmpfs tmpfs /dev/shm && mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"',
];

function run(command: string, ...args: string[]): boolean {
  return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

/** Whether this machine lets us have another: that takes the right to make namespaces, which containers often lack. */
export function canHaveOtherMachine(): boolean {
  const name = `tb-${crypto.randomUUID().slice(0, 8)}`;
  if (!run("ip", "netns", "add", name)) return false;
  try {
    return run("ip", "netns", "exec", name, ...INSIDE, "/proc/sys/kernel/random/boot_id", "true");
  } finally {
    run("ip", "netns", "del", name);
  }
}

export class OtherMachine {
  readonly #name: string;
  readonly #bootIdPath: string;
  /** Ours, as it sees us. */
  readonly ourAddress: string;

  private constructor(name: string, bootIdPath: string, ourAddress: string) {
    this.#name = name;
    this.#bootIdPath = bootIdPath;
    this.ourAddress = ourAddress;
  }

  static async create(box: TestBox): Promise<OtherMachine> {
    const id = crypto.randomUUID().slice(0, 8);
    const [name, ours, its] = [`tb-${id}`, `tb${id}a`, `tb${id}b`];
    const network = `10.231.${crypto.getRandomValues(new Uint8Array(1))[0]}`;
    const bootIdPath = `${box.folder}/boot_id`;
    await Deno.writeTextFile(bootIdPath, `${crypto.randomUUID()}\n`);
    const steps = [
      ["netns", "add", name],
      ["link", "add", ours, "type", "veth", "peer", "name", its, "netns", name],
      ["addr", "add", `${network}.1/30`, "dev", ours],
      ["link", "set", ours, "up"],
      ["-n", name, "addr", "add", `${network}.2/30`, "dev", its],
      ["-n", name, "link", "set", its, "up"],
    ];
    // With its network goes its end of the cable, and ours with it.
    box.onEnd(() => Promise.resolve(void run("ip", "netns", "del", name)));
    for (const step of steps) {
      if (!run("ip", ...step)) throw new Error(`ip ${step.join(" ")} failed`);
    }
    return new OtherMachine(name, bootIdPath, `${network}.1`);
  }

  /** What to put before a command, so that it runs there. */
  get prefix(): string[] {
    return ["ip", "netns", "exec", this.#name, ...INSIDE, this.#bootIdPath];
  }
}
