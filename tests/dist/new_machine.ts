/**
 * A machine as a newcomer has it: an empty home on a path with a space, a user who is not the one that built anything, no
 * source tree, no network. Where namespaces are not allowed, only the home is new, and `isSealed` says so.
 */

import { ROOT } from "../harness/box.ts";
import { type Ended, endedOf } from "../harness/command.ts";
import { LineReader } from "../harness/line_reader.ts";

/** Nobody's on any machine. */
const USER = 54_321;
const SEAL = 'ip link set lo up && mount --bind "$1" "$2" && echo sealed && exec cat';

const isRoot = Deno.uid() === 0;

export class NewMachine implements AsyncDisposable {
  /** Has a space in its name, and is the user's. */
  readonly folder: string;
  readonly home: string;
  readonly #holder: Deno.ChildProcess | null;
  readonly #children: Deno.ChildProcess[] = [];

  private constructor(folder: string, holder: Deno.ChildProcess | null) {
    this.folder = folder;
    this.home = `${folder}/home`;
    this.#holder = holder;
  }

  static async create(): Promise<NewMachine> {
    // Not in TMPDIR: that is its owner's alone.
    const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "tb new machine " });
    for (const name of ["home", "runtime", "nothing"]) {
      await Deno.mkdir(`${folder}/${name}`, { mode: 0o700 });
      if (isRoot) await Deno.chown(`${folder}/${name}`, USER, USER);
    }
    if (isRoot) await Deno.chown(folder, USER, USER);
    return new NewMachine(folder, await seal(`${folder}/nothing`));
  }

  /** Whether the sources and the network are out of reach. */
  get isSealed(): boolean {
    return this.#holder !== null;
  }

  /** Puts a copy of a file into the machine's folder, for its user. */
  async bring(path: string, name: string, mode = 0o755): Promise<string> {
    const copy = `${this.folder}/${name}`;
    await Deno.copyFile(path, `${copy}.new`);
    await Deno.chmod(`${copy}.new`, mode);
    await Deno.rename(`${copy}.new`, copy);
    return copy;
  }

  /** What to run so that these words are run in the machine, by its user or by us. */
  command(words: readonly string[], { asUser = true } = {}): string[] {
    return [...this.#enter(), ...(asUser ? this.#becomeUser() : []), ...words];
  }

  #enter(): string[] {
    if (this.#holder === null) return [];
    const user = isRoot ? [] : ["--user", "--preserve-credentials"];
    return ["nsenter", `--target=${this.#holder.pid}`, ...user, "--mount", "--net", "--"];
  }

  #becomeUser(): string[] {
    const become = isRoot
      ? ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"]
      : [];
    const environment = {
      HOME: this.home,
      XDG_RUNTIME_DIR: `${this.folder}/runtime`,
      PATH: "/usr/bin:/bin",
      NO_COLOR: "1",
    };
    const given = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    return [...become, "env", "-i", ...given];
  }

  /** Runs a command to its end; `environment` is what it has beside a login's. */
  async run(words: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
    return endedOf(await this.#prepare(words, environment).output());
  }

  /** Starts a command, whose pid is the child's; it is killed at the machine's end. */
  start(words: readonly string[]): Deno.ChildProcess {
    const child = this.#prepare(words, {}, "inherit").spawn();
    this.#children.push(child);
    return child;
  }

  #prepare(
    words: readonly string[],
    environment: Record<string, string>,
    stderr: "piped" | "inherit" = "piped",
  ): Deno.Command {
    const given = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const [command, ...args] = this.command(given.length > 0 ? ["env", ...given, ...words] : words);
    return new Deno.Command(command!, {
      args,
      cwd: this.folder,
      stdin: "null",
      stdout: "piped",
      stderr,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.reverse()) {
      try {
        child.kill("SIGINT");
      } catch {
        // It has ended already.
      }
      await child.status;
    }
    await this.#holder?.stdin.close();
    await this.#holder?.status;
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** A process that keeps namespaces in which the sources are an empty folder and the network is a loopback. */
async function seal(nothing: string): Promise<Deno.ChildProcess | null> {
  const user = isRoot ? [] : ["--map-root-user"];
  const holder = new Deno.Command("unshare", {
    args: [...user, "--mount", "--net", "sh", "-c", SEAL, "sh", nothing, ROOT],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    await new LineReader(holder.stdout).next("unshare");
    return holder;
  } catch {
    await holder.stdin.close();
    await holder.status;
    return null;
  }
}
