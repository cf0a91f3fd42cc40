/** `telebridge agent`: becomes the agent's executable (native/agent), whose options these are. */

import { Command, Option } from "commander";
import { CaptureTools } from "../core/agents/capture_tools.ts";
import { parseAgents } from "../core/agents/config.ts";
import { sourceCommand } from "../core/agents/sources.ts";
import { locateAssets } from "../core/assets.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { Library } from "../ffi/library.ts";

export const AGENT = "agent";

/** Sources for which a program has to be found first; the others the executable knows by itself. */
const CAPTURES = ["x11grab", "ffmpeg", "gst", "vaapi", "auto"];

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
  ["--source <KIND>", "publish what another program encodes", ["exec", "fifo", ...CAPTURES]],
  ["--xvfb <SIZE>", "an Xvfb for the command, as 1280x720"],
  ["--display <DISPLAY>", "captures this X display"],
  ["--pipeline <TEXT>", "captures this GStreamer source"],
  ["--input <WORDS>", "captures this input of FFmpeg"],
  ["--device <FILE>", "VA-API's render node"],
  ["--beside <COUNT>", "so many words are a program beside the command"],
  ["--verbose", "numbers on stderr every ten seconds"],
];

export function agentCommand(): Command {
  const command = new Command(AGENT)
    .description("Render and encode without a screen, into a run, a pipe or a FIFO.")
    .argument("[CMD...]", "with --source: the command and its arguments, after --");
  for (const [flags, description, choices] of OPTIONS) {
    const option = new Option(flags, description);
    command.addOption(choices === undefined ? option : option.choices(choices));
  }
  return command;
}

/** This process ends here and goes on as the agent: two processes each would be one too many, with ten of them. */
export async function becomeAgent(args: readonly string[]): Promise<never> {
  const { agentPath, libraryPath } = locateAssets();
  const command = isCapture(args) ? await captureOf(args, agentPath) : [agentPath, ...args];
  try {
    using library: Library = Library.open(libraryPath);
    return library.exec(command);
  } catch (error) {
    throw new UserError(messageOf(error));
  }
}

function isCapture(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const options = end === -1 ? args : args.slice(0, end);
  if (options.includes("--help")) return false;
  return options.some((word, at) =>
    CAPTURES.some((kind) =>
      word === `--source=${kind}` || (word === "--source" && options[at + 1] === kind)
    )
  );
}

/** The options as the table of an agent would have them, checked like one. */
async function captureOf(args: readonly string[], agentPath: string): Promise<string[]> {
  const parser = agentCommand().exitOverride().parse(args, { from: "user" });
  const given = parser.opts<Record<string, string | undefined>>();
  if ([given.stdout, given.fifo, given.mpegts].some((output) => output !== undefined)) {
    throw new UserError("--source publishes into shared memory, and nowhere else");
  }
  if (given.gpu !== undefined) {
    Deno.env.set("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    Deno.env.set("CUDA_VISIBLE_DEVICES", given.gpu);
  }
  const name = given.run ?? Deno.env.get("TELEBRIDGE_RUN") ?? `agent-${Deno.pid}`;
  const number = (key: string) => given[key] === undefined ? undefined : Number(given[key]);
  const table = {
    command: parser.args.length === 0 ? undefined : parser.args,
    ...{ width: number("width"), height: number("height"), fps: number("fps") },
    ...{ bitrate: number("bitrate"), gop: number("gop"), encoder: given.encoder },
    source: present({
      ...{ kind: given.source, xvfb: given.xvfb, display: given.display, device: given.device },
      ...{ pipeline: given.pipeline, input: given.input?.split(/\s+/) },
    }),
  };
  const [config] = parseAgents({ [name]: present(table) }, "the command line");
  const { command, why } = await sourceCommand(config!, { gpu: null, encoder: config!.encoder }, {
    ...{ agentPath, captures: new CaptureTools(), environment: Deno.env.toObject() },
  });
  console.error(`telebridge agent: ${why}`);
  if (given.frames === undefined) return [...command];
  return command.toSpliced(command.indexOf("--source"), 0, "--frames", given.frames);
}

function present(table: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined));
}
