/** A real `telebridge serve` in a process of its own. */

import { ROOT, type TestBox } from "./box.ts";
import { LineReader } from "./line_reader.ts";

/** The line that `serve --json` prints when it is ready. */
interface ReadyLine {
  url: string;
  token: string;
  /** With --view-token. */
  viewToken?: string;
  port: number;
  /** Where the durable lane listens on loopback. */
  grpcPort: number;
  dataDir: string;
}

export interface ServeOptions {
  /** 0: any free one. */
  port?: number;
  args?: string[];
  /** Sees no run at all: an empty /dev/shm of its own, by a mount namespace. */
  noRuns?: boolean;
  /** The data directory is on a disk of this size, which {@link Serve.pathOnDisk} reaches. */
  diskBytes?: number;
  /** Beside the box's own. */
  environment?: Record<string, string>;
}

/** Has the command after it see another, empty file system at `path`. */
function withTmpfs(path: string, options: string): string[] {
  return [
    "unshare",
    ...(Deno.uid() === 0 ? [] : ["--user", "--map-root-user"]), // containers often forbid these two
    "--mount",
    "sh",
    "-c",
    `mount -t tmpfs -o ${options} tmpfs ${path} && exec "$0" "$@"`,
  ];
}

const EMPTY_SHM = withTmpfs("/dev/shm", "mode=1777");

/** Whether this machine lets us have a mount namespace. */
export function canMount(): boolean {
  const [command, ...args] = [...EMPTY_SHM, "true"];
  return new Deno.Command(command!, { args, stderr: "null" }).outputSync().success;
}

export class Serve {
  readonly ready: ReadyLine;
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess, ready: ReadyLine) {
    this.#child = child;
    this.ready = ready;
  }

  /** Starts a server in `box` and waits until it is ready. Its log goes to this test's stderr. */
  static async start(
    box: TestBox,
    { port = 0, args = [], noRuns = false, diskBytes, environment = {} }: ServeOptions = {},
  ): Promise<Serve> {
    const [command, ...commandArgs] = [
      ...(noRuns ? EMPTY_SHM : []),
      ...(diskBytes === undefined ? [] : withTmpfs(box.dataDir, `mode=700,size=${diskBytes}`)),
      Deno.execPath(),
      "run",
      "--allow-all",
      "--quiet",
      `${ROOT}main.ts`,
      "serve",
      `--port=${port}`,
      `--data-dir=${box.dataDir}`,
      "--grpc-port=0",
      "--json",
      ...args,
    ];
    const child = new Deno.Command(command!, {
      args: commandArgs,
      env: { ...box.environment, ...environment },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const line = await new LineReader(child.stdout).next("serve");
    const serve = new Serve(child, JSON.parse(line));
    box.onEnd(() => serve.stop());
    return serve;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Where this process finds a file of a server that has a disk of its own. */
  pathOnDisk(path: string): string {
    return `/proc/${this.pid}/root${path}`;
  }

  /** `http://127.0.0.1:PORT` */
  get origin(): string {
    return `http://127.0.0.1:${this.ready.port}`;
  }

  /** A page's address with the token, for a browser's first visit. */
  address(path: string, query: Record<string, string> = {}): string {
    const url = new URL(path, this.origin);
    for (const [name, value] of Object.entries({ token: this.ready.token, ...query })) {
      url.searchParams.set(name, value);
    }
    return url.href;
  }

  fetch(path: string): Promise<Response> {
    return fetch(this.origin + path, { headers: { authorization: `Bearer ${this.ready.token}` } });
  }

  /** As Ctrl-C does it. */
  stop(): Promise<void> {
    return this.#end("SIGINT");
  }

  /** As the kernel's out-of-memory killer does it. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async #end(signal: Deno.Signal): Promise<void> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }
}
