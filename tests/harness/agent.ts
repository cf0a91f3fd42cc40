/** A headless agent of ours in a process of its own, without Deno. */

import { locateAssets } from "../../core/assets.ts";
import { ReadMode, type RingReader } from "../../ffi/reader.ts";
import { decodeFrameHeader, FRAME_HEADER_BYTES, type FrameHeader } from "../../proto/wire.ts";
import type { TestBox } from "./box.ts";
import { openLibrary } from "./library.ts";
import { sleep, waitFor } from "./wait.ts";

export interface AgentEnded {
  code: number;
  stdout: Uint8Array<ArrayBuffer>;
  stderr: string;
}

/** Runs it to its end. */
export async function runAgent(
  box: TestBox,
  args: string[],
  env: Record<string, string> = {},
): Promise<AgentEnded> {
  const { code, stdout, stderr } = await new Deno.Command(locateAssets().agentPath, {
    args,
    env: { ...box.environment, ...env },
    stdin: "null",
  }).output();
  return { code, stdout, stderr: new TextDecoder().decode(stderr) };
}

export class AgentProcess {
  readonly #child: Deno.ChildProcess;
  readonly #saying: Promise<void>;
  #said = "";

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#saying = this.#listen(child.stderr.pipeThrough(new TextDecoderStream()));
  }

  static start(box: TestBox, ...args: string[]): AgentProcess {
    const child = new Deno.Command(locateAssets().agentPath, {
      args,
      env: box.environment,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const agent = new AgentProcess(child);
    box.onEnd(async () => void await agent.end("SIGKILL"));
    return agent;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** All that it has written to stderr. */
  get said(): string {
    return this.#said;
  }

  async #listen(lines: ReadableStream<string>): Promise<void> {
    for await (const text of lines) this.#said += text;
  }

  until(text: string): Promise<true> {
    return waitFor(`"${text}"`, () => this.#said.includes(text), () => this.#said);
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Resolves to its exit status. */
  async end(signal: Deno.Signal): Promise<Deno.CommandStatus> {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
    const status = await this.#child.status;
    await this.#saying;
    return status;
  }
}

/** The run's ring, once it is there. The box closes it. */
export function readerOf(box: TestBox, run: string): Promise<RingReader> {
  const library = openLibrary();
  box.onEnd(() => Promise.resolve(library[Symbol.dispose]()));
  return waitFor(`the ring of ${run}`, () => {
    try {
      const reader = library.openReader(run);
      box.onEnd(() => Promise.resolve(reader[Symbol.dispose]()));
      return reader;
    } catch {
      return null;
    }
  });
}

export interface RingUnit {
  header: FrameHeader;
  bytes: Uint8Array<ArrayBuffer>;
}

/** So many of the run's access units, each the next of the one before, from its first on. */
export async function ringUnits(reader: RingReader, count: number): Promise<RingUnit[]> {
  const buffer = new Uint8Array(1 << 20);
  const units: RingUnit[] = [];
  while (units.length < count) {
    const read = reader.read(units.at(-1)?.header.frame ?? 0, ReadMode.Next, buffer);
    if (read === "none") await sleep(5);
    else if (read !== "frame") throw new Error(`the ring's next frame is ${read}`);
    else {
      const frame = buffer.slice(0, reader.bytesRead);
      units.push({ header: decodeFrameHeader(frame), bytes: frame.slice(FRAME_HEADER_BYTES) });
    }
  }
  return units;
}
