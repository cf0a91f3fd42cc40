/** Somebody else's driver and a disk may hang or crash: they are asked in a process of its own, `telebridge probe NAME`. */

import { Command } from "commander";
import { locateAssets } from "../../core/assets.ts";
import { messageOf, UserError } from "../../core/errors.ts";
import { type CudaFound, type EglDevice, type EncoderFound, Library } from "../../ffi/library.ts";
import type { Box } from "./check.ts";
import { runChild } from "./child.ts";
import { type DiskSpeed, measureDisk } from "./disk_speed.ts";

/** Before the answer, on a line of its own. */
const ANSWER = "probe: ";

/** What each of them finds. */
interface Probes {
  encoders: EncoderFound[];
  cuda: CudaFound;
  egl: { devices: EglDevice[] };
  disk: DiskSpeed;
}

/** The process was ended by a signal: whatever it asked is broken. */
export class ProbeCrashed extends Error {}

function withLibrary<Found>(ask: (library: Library) => Found): Found {
  return ask(Library.open(locateAssets().libraryPath));
}

const PROBES: { [Name in keyof Probes]: (folder: string) => Probes[Name] | Promise<Probes[Name]> } =
  {
    encoders: () => withLibrary((library) => library.encoders()),
    cuda: () => withLibrary((library) => library.probeCuda()),
    egl: () => withLibrary((library) => library.probeEgl()),
    disk: measureDisk,
  };

/** Throws what the probe threw, or {@link ProbeCrashed}. */
export async function probe<Name extends keyof Probes>(
  name: Name,
  box: Box,
  signal: AbortSignal,
  ...args: string[]
): Promise<Probes[Name]> {
  const ended = await runChild([...box.program, "probe", name, ...args], signal);
  if (ended === null) throw new Error(`cannot start ${box.program[0]}`);
  // Drivers may have written before it, and crashed after it.
  const line = ended.stdout.trimEnd().split("\n").at(-1)!;
  if (line.startsWith(ANSWER)) {
    const { found, error } = JSON.parse(line.slice(ANSWER.length));
    if (error !== undefined) throw new Error(error);
    return found;
  }
  if (ended.signal !== null) throw new ProbeCrashed(`ended by ${ended.signal}`);
  throw new Error(ended.stderr.trimEnd().split("\n").at(-1) || `exit code ${ended.code}`);
}

export function probeCommand(): Command {
  return new Command("probe")
    .description("Started by doctor: asks a driver or a disk, and may not survive it.")
    .argument("<NAME>")
    .argument("[FOLDER]")
    .action(async (name: string, folder = ".") => {
      if (!Object.hasOwn(PROBES, name)) throw new UserError(`there is no probe "${name}"`);
      let answer: Record<string, unknown>;
      try {
        answer = { found: await PROBES[name as keyof Probes](folder) };
      } catch (error) {
        answer = { error: messageOf(error) };
      }
      console.log(`\n${ANSWER}${JSON.stringify(answer)}`);
    });
}
