/** A user's worker in a process of its own: an example, the demo, or any other program that publishes a run. */

import assert from "node:assert/strict";
import { ROOT, type TestBox } from "./box.ts";
import { LineReader } from "./line_reader.ts";

const HANGING_MS = 10_000;

export class Worker {
  readonly #child: Deno.ChildProcess;
  readonly #lines: LineReader;
  readonly #name: string;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.#name = name;
    this.#child = child;
    this.#lines = new LineReader(child.stdout as ReadableStream<Uint8Array<ArrayBuffer>>);
  }

  /** Starts a command in the project's folder. */
  static start(box: TestBox, command: string, args: string[]): Worker {
    const child = new Deno.Command(command, {
      args,
      cwd: ROOT,
      env: box.environment,
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const worker = new Worker(command, child);
    box.onEnd(() => worker.#end());
    return worker;
  }

  /** The next line of its output. */
  line(): Promise<string> {
    return this.#lines.next(this.#name);
  }

  /** Ctrl-C at the test's end, so that its shared memory goes too; more than that when it hangs. */
  async #end(): Promise<void> {
    const kill = (signal: Deno.Signal) => {
      try {
        this.#child.kill(signal);
      } catch {
        // It has ended already.
      }
    };
    kill("SIGINT");
    const hanging = setTimeout(() => kill("SIGKILL"), HANGING_MS);
    await this.#child.status;
    clearTimeout(hanging);
  }

  /** Ctrl-C, which has to end it in good order. */
  async interrupt(): Promise<void> {
    this.#child.kill("SIGINT");
    const { code } = await this.#child.status;
    assert.equal(code, 0, `${this.#name} ended with ${code}`);
  }
}
