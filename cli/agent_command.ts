/** `telebridge agent`: becomes the agent's executable (native/agent), whose options these are. */

import { Command, Option } from "commander";
import { locateAssets } from "../core/assets.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { Library } from "../ffi/library.ts";

export const AGENT = "agent";

/** For completions and the list of commands; the executable's own --help is the manual, and a test compares the two. */
const OPTIONS: readonly [flags: string, description: string, choices?: readonly string[]][] = [
  ["--width <PIXELS>", "even, 64 to 4096"],
  ["--height <PIXELS>", "even, 64 to 4096"],
  ["--fps <RATE>", "pictures per second"],
  ["--frames <N>", "ends after so many pictures"],
  ["--gpu <INDEX>", "EGL device, as telebridge doctor counts them"],
  ["--encoder <KIND>", "of H.264", ["auto", "nvenc", "x264", "openh264"]],
  ["--bitrate <KBPS>", "kilobits per second"],
  ["--gop <SECONDS>", "between keyframes that nobody asked for"],
  ["--run <NAME>", "into shared memory as this run"],
  ["--stdout", "to stdout, as H.264 in Annex-B"],
  ["--fifo <FILE>", "into this FIFO, while somebody reads"],
  ["--mpegts", "to stdout, as MPEG-TS"],
  ["--source <KIND>", "publish what another program encodes", ["exec", "fifo"]],
  ["--xvfb <SIZE>", "an Xvfb for the command, as 1280x720"],
  ["--beside <COUNT>", "so many words are a program beside the command"],
  ["--verbose", "numbers on stderr every ten seconds"],
];

export function agentCommand(): Command {
  const command = new Command(AGENT)
    .description("Render and encode without a screen, into a run, a pipe or a FIFO.")
    .argument("[CMD...]", "with --source exec: the command and its arguments, after --");
  for (const [flags, description, choices] of OPTIONS) {
    const option = new Option(flags, description);
    command.addOption(choices === undefined ? option : option.choices(choices));
  }
  return command;
}

/** This process ends here and goes on as the agent: two processes each would be one too many, with ten of them. */
export function becomeAgent(args: readonly string[]): never {
  const { agentPath, libraryPath } = locateAssets();
  try {
    using library: Library = Library.open(libraryPath);
    library.exec([agentPath, ...args]);
  } catch (error) {
    throw new UserError(messageOf(error));
  }
}
