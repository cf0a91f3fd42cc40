/** `telebridge mpegts`. */

import { Command } from "commander";
import { locateAssets } from "../core/assets.ts";
import { killIfAny } from "../core/child.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { Library } from "../ffi/library.ts";
import { NotStarted, passSignals, startCommand } from "./child_command.ts";
import { wrapInTs, type Wrapped } from "./mpegts/wrap.ts";

/** From the request to end, when nobody reads any more, to the end. */
const STOP_GRACE_MS = 5_000;
const FPS_MAX = 1000;
/** With these people and programs end a command; what else ends it deserves a word. */
const ASKED_FOR: readonly (string | null)[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE"];

const EXAMPLES = `
The command writes H.264 in Annex-B on its stdout, without B-frames; MPEG-TS leaves on ours, each picture as soon as
the next one begins. A command that writes MPEG-TS already is passed on as it is. When nobody reads any more, the
command is ended, and the exit code is 0; otherwise it is the command's.

Examples:
  telebridge mpegts -- ./robot-camera --h264 | ffplay -
  telebridge mpegts -- ssh robot ./camera --h264 | vlc -
  telebridge mpegts --fps 25 -- cat recording.h264 > recording.ts

Our own agents need no such wrapper: telebridge agent --mpegts. In go2rtc's configuration, which
telebridge go2rtc-config writes:

  streams:
    robot: exec:telebridge mpegts -- ./robot-camera --h264
`;

export function mpegtsCommand(onExitCode: (code: number) => void): Command {
  return new Command("mpegts")
    .description(
      "Run a command that writes H.264, and write it as MPEG-TS: for go2rtc, VLC, FFmpeg.",
    )
    .argument("<CMD...>", "the command and its arguments, after --")
    .option(
      "--fps <RATE>",
      "pictures follow one another at this rate, however fast they come",
      rate,
    )
    .addHelpText("after", EXAMPLES)
    .action(async (command: string[], { fps }: { fps?: number }) => {
      onExitCode(await mpegts(command, fps ?? null));
    });
}

function rate(text: string): number {
  const fps = Number(text);
  if (fps > 0 && fps <= FPS_MAX) return fps;
  throw new UserError(`--fps ${text}: expected a rate above 0, up to ${FPS_MAX}`);
}

function complain(text: string): void {
  console.error(`telebridge mpegts: ${text}`);
}

async function mpegts(command: string[], fps: number | null): Promise<number> {
  if (Deno.stdout.isTerminal()) {
    throw new UserError("MPEG-TS is nothing for a terminal: write it into a pipe or a file");
  }
  using library = Library.open(locateAssets().libraryPath);
  let child: Deno.ChildProcess;
  try {
    child = startCommand(command);
  } catch (error) {
    if (!(error instanceof NotStarted)) throw error;
    complain(error.message);
    return error.exitCode;
  }
  const stopPassing = passSignals(child);
  const now = () => performance.now();
  let wrapped: Wrapped;
  try {
    wrapped = await wrapInTs(library, child.stdout, Deno.stdout, { fps, now });
  } catch (error) {
    await endCommand(child);
    throw new UserError(`cannot write MPEG-TS: ${messageOf(error)}`);
  }
  if (wrapped.isReaderGone) await endCommand(child);
  const { code, signal } = await child.status;
  stopPassing();
  if (wrapped.isReaderGone) return 0;

  tellOf(wrapped);
  if (code !== 0) {
    const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
    if (!ASKED_FOR.includes(signal)) complain(`${command[0]} ended ${how}`);
    return code;
  }
  if (wrapped.unitsPacked > 0 || wrapped.isTs) return 0;
  complain(
    `${command[0]} wrote no H.264 in Annex-B that begins with a keyframe: nothing was packed`,
  );
  return 1;
}

/** As a shell's pipe would, for a command that writes seldom; one that does not listen is ended. */
async function endCommand(child: Deno.ChildProcess): Promise<void> {
  killIfAny(child, "SIGTERM");
  const grace = setTimeout(() => killIfAny(child, "SIGKILL"), STOP_GRACE_MS);
  await child.status;
  clearTimeout(grace);
}

function tellOf({ unitsLeftOut, unitsTooLarge, hasBFrames }: Wrapped): void {
  if (unitsLeftOut > 0) {
    complain(
      `${unitsLeftOut} pictures were left out: no keyframe stood in front of them, or damage`,
    );
  }
  if (unitsTooLarge > 0) complain(`${unitsTooLarge} pictures were too large, and were dropped`);
  if (hasBFrames) {
    complain("it has B-frames, and jumps: encode without them (ffmpeg: -bf 0, x264: --bframes 0)");
  }
}
