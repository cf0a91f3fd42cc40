/** `telebridge probe NAME`: the process that asks a driver or a disk for others. */

import { Command } from "commander";
import { locateAssets } from "../../core/assets.ts";
import { askProbe, probeAnswer } from "../../core/driver_probe.ts";
import { messageOf, UserError } from "../../core/errors.ts";
import { type CudaFound, type EglDevice, type EncoderFound, Library } from "../../ffi/library.ts";
import type { Box } from "./check.ts";
import { type DiskSpeed, measureDisk } from "./disk_speed.ts";

/** What each of them finds. */
interface Probes {
  encoders: EncoderFound[];
  cuda: CudaFound;
  egl: { devices: EglDevice[] };
  disk: DiskSpeed;
}

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

/** Throws as {@link askProbe}. */
export function probe<Name extends keyof Probes>(
  name: Name,
  box: Box,
  signal: AbortSignal,
  ...args: string[]
): Promise<Probes[Name]> {
  return askProbe(name, box.program, signal, args);
}

export function probeCommand(): Command {
  return new Command("probe")
    .description("Started by doctor: asks a driver or a disk, and may not survive it.")
    .argument("<NAME>")
    .argument("[FOLDER]")
    .action(async (name: string, folder = ".") => {
      if (!Object.hasOwn(PROBES, name)) throw new UserError(`there is no probe "${name}"`);
      let answer: Parameters<typeof probeAnswer>[0];
      try {
        answer = { found: await PROBES[name as keyof Probes](folder) };
      } catch (error) {
        answer = { error: messageOf(error) };
      }
      console.log(probeAnswer(answer));
    });
}
