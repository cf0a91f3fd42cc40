/** Which encoder `serve` uses, and why not another. */

import { UserError } from "./errors.ts";
import type { EncoderFound } from "../ffi/library.ts";
import { EncoderKind } from "../ffi/stream.ts";

export const ENCODER_CHOICES = ["auto", "nvenc", "x264", "openh264"] as const;
export type EncoderChoice = typeof ENCODER_CHOICES[number];

/** What `--encoder` means to the library. */
export const ENCODER_KINDS: Readonly<Record<EncoderChoice, number>> = {
  auto: EncoderKind.Auto,
  nvenc: EncoderKind.Nvenc,
  x264: EncoderKind.X264,
  openh264: EncoderKind.OpenH264,
};

const REPAIRS: Readonly<Record<EncoderChoice, string>> = {
  auto: "",
  nvenc: "it needs an NVIDIA GPU that has NVENC (data-centre GPUs have none) and its driver",
  x264: "install libx264 (Debian: apt-get install libx264-164)",
  openh264: "make build makes the library anew",
};

/** Throws {@link UserError} when an encoder is forced that does not work here. */
export function checkEncoder(choice: EncoderChoice, found: readonly EncoderFound[]): void {
  if (choice === "auto") return;
  const row = found.find(({ kind }) => kind === ENCODER_KINDS[choice]);
  if (row?.usable) return;
  throw new UserError(
    `--encoder ${choice} cannot be used: ${row?.detail ?? "this library does not have it"}; ` +
      `${REPAIRS[choice]}, or leave it to --encoder auto`,
  );
}

/** For the log: what encodes, and what was passed over. */
export function describeEncoders(choice: EncoderChoice, found: readonly EncoderFound[]): string {
  const candidates = found.filter(({ kind }) => kind !== EncoderKind.Jpeg);
  const chosen = choice === "auto"
    ? candidates.find(({ usable }) => usable)
    : candidates.find(({ kind }) => kind === ENCODER_KINDS[choice]);
  if (chosen === undefined) {
    const why = candidates.map(({ name, detail }) => `${name}: ${detail}`).join("; ");
    return `no H.264 encoder works (${why})`;
  }
  const passedOver = candidates.slice(0, candidates.indexOf(chosen)).map((
    { name, detail, usable },
  ) => `${name} passed over: ${usable ? "--encoder says otherwise" : detail}`);
  return [`video is encoded by ${chosen.name} (${chosen.detail})`, ...passedOver].join("; ");
}
