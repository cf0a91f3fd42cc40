/** What encodes video here, by really opening a session of each, and why not the others. */

import { ProbeCrashed } from "../../../core/driver_probe.ts";
import { checkEncoder } from "../../../core/encoders.ts";
import { messageOf } from "../../../core/errors.ts";
import type { EncoderFound } from "../../../ffi/library.ts";
import type { Box, Change, Check, Finding } from "../check.ts";
import { probe } from "../probe.ts";
import { exists } from "../text.ts";

export const encoders: Check = {
  name: "encoders",
  msMax: 4_000,
  async run(box, signal) {
    let found: EncoderFound[];
    try {
      found = await probe("encoders", box, signal);
    } catch (error) {
      if (!(error instanceof ProbeCrashed) || signal.aborted) throw error;
      return [crashed(error)];
    }
    const apt = await exists("/usr/bin/apt-get");
    return [...found.map((encoder) => findingOf(encoder, found, apt)), ...forced(box, found)];
  },
};

/** Serve asks the same drivers, in its own process. */
function crashed(error: ProbeCrashed): Finding {
  return {
    name: "encoders",
    level: "fail",
    text: `asking for them crashes: ${error.message}`,
    change: {
      why: "a driver's library crashes when it is asked for an encoder, and serve would with it",
      command: "ldconfig -p | grep -E 'libcuda|nvidia-encode|x264'   # whose it is; reinstall that",
    },
  };
}

function findingOf(encoder: EncoderFound, all: readonly EncoderFound[], apt: boolean): Finding {
  const { name, usable, detail } = encoder;
  const facts = { usable, detail };
  if (usable) return { name, level: "ok", text: detail, facts };
  const nvencWorks = all.some((other) => other.name === "nvenc" && other.usable);
  if (name !== "x264" || nvencWorks) return { name, level: "note", text: `no: ${detail}`, facts };
  return { name, level: "warn", text: `no: ${detail}`, facts, change: x264Change(detail, apt) };
}

/** The library takes the one that it was built for, by its number. */
function x264Change(detail: string, apt: boolean): Change {
  const version = /libx264\.so\.(\d+)/.exec(detail)?.[1] ?? "164";
  return {
    why: "without x264 pictures from 720p on are a little worse at the same bitrate",
    command: apt
      ? `sudo apt-get install libx264-${version}`
      : `ldconfig -p | grep x264   # libx264.so.${version} is wanted`,
  };
}

/** `--encoder` names one that does not work: serve refuses to start then. */
function forced({ settings }: Box, found: readonly EncoderFound[]): Finding[] {
  try {
    checkEncoder(settings.encoder, found);
    return [];
  } catch (error) {
    return [{
      name: "encoder",
      level: "fail",
      text: messageOf(error),
      change: {
        why: `--encoder ${settings.encoder} is asked for and does not work`,
        command: "telebridge serve --encoder auto",
      },
    }];
  }
}
