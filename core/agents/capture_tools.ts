/**
 * What GStreamer and FFmpeg can do here, found out by doing it: an encoder is there when it has encoded pictures, since
 * one that is listed may lack its driver, its GPU or a free session.
 */

import { runChild } from "../child.ts";

const LIMIT_MS = 15_000;
/** Smaller ones some hardware refuses. */
const SIZE = { width: 256, height: 144 };
const PICTURES = 3;

/** What a program said: its last words where it failed. */
export interface Tried {
  works: boolean;
  why: string;
}

export type RunProgram = (
  command: readonly string[],
) => Promise<{ code: number; stdout: string; stderr: string } | "not found">;

export class CaptureTools {
  readonly #run: RunProgram;
  /** Those that go on, and successes: what is missing may be installed meanwhile. */
  readonly #tried = new Map<string, Promise<Tried>>();

  constructor(run: RunProgram = runProgram) {
    this.#run = run;
  }

  /** Whether FFmpeg encodes with these arguments, which stand behind its input. */
  ffmpegEncodes(encoder: readonly string[]): Promise<Tried> {
    const { width, height } = SIZE;
    const input = ["-f", "lavfi", "-i", `color=size=${width}x${height}:rate=30`];
    return this.#try(
      ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", ...input].concat(
        ["-frames:v", String(PICTURES), ...encoder, "-f", "null", "-"],
      ),
    );
  }

  /** Whether FFmpeg can read from such a device, as "x11grab". */
  async ffmpegReads(device: string): Promise<Tried> {
    const tried = await this.#try(["ffmpeg", "-hide_banner", "-loglevel", "error", "-devices"]);
    if (!tried.works || new RegExp(`^ D[E ]? *${device}\\b|,${device}\\b`, "m").test(tried.why)) {
      return tried;
    }
    return { works: false, why: `this FFmpeg has no ${device}` };
  }

  /** Whether GStreamer encodes with this part of a pipeline. */
  gstEncodes(encoder: readonly string[]): Promise<Tried> {
    const { width, height } = SIZE;
    const source = ["videotestsrc", `num-buffers=${PICTURES}`, "!"];
    const caps = [`video/x-raw,width=${width},height=${height},framerate=30/1`, "!"];
    return this.#try(
      ["gst-launch-1.0", "-q", ...source, ...caps, "videoconvert", "!", ...encoder].concat(
        ["!", "fakesink"],
      ),
    );
  }

  /** Without --exists, which denies plugins that have versions of their own, such as PipeWire's. */
  gstHas(element: string): Promise<Tried> {
    return this.#try(["gst-inspect-1.0", element], `GStreamer has no ${element}`);
  }

  /** Once for ten agents that start together. */
  #try(command: readonly string[], complaint?: string): Promise<Tried> {
    const key = command.join("\0");
    const known = this.#tried.get(key);
    if (known !== undefined) return known;
    const trying = this.#tryNow(command, complaint);
    this.#tried.set(key, trying);
    const forget = () => this.#tried.delete(key);
    trying.then(({ works }) => works || forget(), forget);
    return trying;
  }

  async #tryNow(command: readonly string[], complaint?: string): Promise<Tried> {
    const result = await this.#run(command);
    if (result === "not found") return { works: false, why: `${command[0]} is not installed` };
    if (result.code === 0) return { works: true, why: result.stdout };
    return { works: false, why: complaint ?? lastWords(result.stderr) ?? `code ${result.code}` };
  }
}

/** The first line that says what was wrong; the ones behind it say what that led to. */
function lastWords(stderr: string): string | null {
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const line = lines.find((line) => /error|cannot|no |fail/i.test(line)) ?? lines.at(-1);
  // Without what only the programs' authors want to know.
  return line?.replace(/^\[\w+ @ 0x[0-9a-f]+\] |^(ERROR|WARNING): (erroneous pipeline: )?/g, "") ??
    null;
}

async function runProgram(command: readonly string[]): ReturnType<RunProgram> {
  return await runChild(command, AbortSignal.timeout(LIMIT_MS)) ?? "not found";
}
