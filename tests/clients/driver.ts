/**
 * A client in a process of its own, told what to do by JSON lines on its stdin: `{"do": "log", …}`. Each is answered by one
 * line, `{"result": …}` or `{"error": "TypeError: …"}`. Both drivers know the same commands, so that one suite holds both.
 */

import { ROOT, type TestBox } from "../harness/box.ts";
import { LineReader } from "../harness/line_reader.ts";
import { installedPython } from "../harness/python.ts";

/** A client that has ended its run may still have a sender at work. */
const END_MS_MAX = 20_000;

interface Client {
  readonly name: string;
  readonly command: readonly string[];
}

function typescript(): Client {
  const driver = `${ROOT}tests/clients/drivers/ts_driver.ts`;
  const command = [Deno.execPath(), "run", "--allow-all", "--cached-only", "--quiet", driver];
  return { name: "typescript", command };
}

function python(): Client {
  const driver = `${ROOT}tests/clients/drivers/python_driver.py`;
  return { name: "python", command: [installedPython(), "-P", driver] };
}

const clients: readonly Client[] = [typescript(), python()];

/** Registers the test once for each client. */
export function testEachClient(
  name: string,
  test: (start: (box: TestBox, options?: DriverOptions) => Driver) => Promise<void>,
): void {
  for (const client of clients) {
    Deno.test(
      `${client.name}: ${name}`,
      () => test((box, options) => Driver.start(box, client, options)),
    );
  }
}

export interface DriverOptions {
  /** Beside the box's; the data directory is the box's unless this says otherwise. */
  environment?: Record<string, string>;
}

interface Answer {
  result?: unknown;
  error?: string;
}

export class Driver {
  readonly #child: Deno.ChildProcess;
  readonly #answers: LineReader;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #complaints: Promise<string>;
  readonly #client: string;
  #hasEnded = false;

  private constructor(client: string, child: Deno.ChildProcess) {
    this.#client = client;
    this.#child = child;
    this.#answers = new LineReader(child.stdout);
    this.#stdin = child.stdin.getWriter();
    this.#complaints = new Response(child.stderr).text();
  }

  static start(box: TestBox, client: Client, { environment = {} }: DriverOptions = {}): Driver {
    const [command, ...args] = client.command;
    const child = new Deno.Command(command!, {
      args,
      cwd: box.folder,
      env: {
        ...box.environment,
        TELEBRIDGE_DATA_DIR: box.dataDir,
        TELEBRIDGE_SPOOL_DIR: spoolDir(box),
        ...environment,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const driver = new Driver(client.name, child);
    box.onEnd(() => driver.kill());
    return driver;
  }

  /** Says a command and waits for its result. Throws what the client threw. */
  async tell(name: string, fields: Record<string, unknown> = {}): Promise<unknown> {
    const line = JSON.stringify({ do: name, ...fields });
    await this.#stdin.write(new TextEncoder().encode(line + "\n"));
    const answer: Answer = JSON.parse(await this.#answers.next(`the ${this.#client} client`));
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.result;
  }

  init(runId: string, fields: Record<string, unknown> = {}): Promise<unknown> {
    return this.tell("init", { run: runId, ...fields });
  }

  burst(from: number, to: number): Promise<unknown> {
    return this.tell("burst", { from, to });
  }

  /** Whether all is stored within the time. */
  async flush(fields: { timeoutMs?: number; synced?: boolean } = {}): Promise<boolean> {
    return await this.tell("flush", { timeoutMs: 20_000, ...fields }) as boolean;
  }

  /** Ends the run and the process. Returns what it wrote to stderr. */
  async finish(fields: Record<string, unknown> = {}): Promise<string> {
    await this.tell("finish", fields);
    return await this.leave();
  }

  /** Ends the process as a script's end does. Returns what it wrote to stderr. */
  async leave(): Promise<string> {
    await this.#stdin.close();
    const hanging = setTimeout(() => this.#child.kill("SIGKILL"), END_MS_MAX);
    const { code } = await this.#child.status;
    clearTimeout(hanging);
    this.#hasEnded = true;
    if (code !== 0) throw new Error(`the ${this.#client} client ended with ${code}`);
    return await this.#complaints;
  }

  /** As the kernel's out-of-memory killer does it. */
  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#stdin.abort().catch(() => {});
  }
}

export function spoolDir(box: TestBox): string {
  return `${box.folder}/spool`;
}
