/** Programs that make, take or change pictures beside us. None is needed to serve. */

import type { Check, Finding } from "../check.ts";
import { firstLine, runChild } from "../../../core/child.ts";
import { exists } from "../text.ts";

const H264_ENCODERS = /\b(libx264|h264_nvenc|h264_vaapi|h264_qsv|libopenh264)\b/g;

export const pipewire: Check = {
  name: "pipewire",
  async run({ environment }, signal) {
    const folder = environment.PIPEWIRE_RUNTIME_DIR ?? environment.XDG_RUNTIME_DIR;
    const socket = folder === undefined
      ? null
      : `${folder}/${environment.PIPEWIRE_REMOTE ?? "pipewire-0"}`;
    const runs = socket !== null && await connects(socket);
    // "pipewire\nCompiled with libpipewire 0.3.65\nLinked with libpipewire 0.3.65"
    const said = await runChild(["pipewire", "--version"], signal);
    const version = said === null ? null : /libpipewire ([\d.]+)/.exec(said.stdout)?.[1] ?? null;
    const text = runs
      ? `runs${version === null ? "" : `, ${version}`}: ${socket}`
      : version === null
      ? "not installed"
      : `${version}, which does not run for this user`;
    return [{ name: "pipewire", level: runs ? "ok" : "note", text, facts: { runs, version } }];
  },
};

async function connects(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}

export const ffmpeg: Check = {
  name: "ffmpeg",
  async run(_box, signal) {
    const [version, encoders] = await Promise.all([
      firstLine(["ffmpeg", "-version"], signal),
      runChild(["ffmpeg", "-hide_banner", "-loglevel", "error", "-encoders"], signal),
    ]);
    const number = /version (\S+)/.exec(version ?? "")?.[1];
    if (number === undefined) return [missing("ffmpeg")];
    const h264 = [...new Set(encoders?.stdout.match(H264_ENCODERS) ?? [])];
    const text = `${number}${h264.length === 0 ? "" : `, H.264 by ${h264.join(", ")}`}`;
    return [{ name: "ffmpeg", level: "ok", text, facts: { version: number, h264 } }];
  },
};

export const gstreamer: Check = {
  name: "gstreamer",
  async run(_box, signal) {
    const line = await firstLine(["gst-launch-1.0", "--version"], signal) ??
      await firstLine(["gst-inspect-1.0", "--version"], signal);
    const version = /([\d.]+)\s*$/.exec(line ?? "")?.[1];
    if (version !== undefined) return [await gstreamerFound(version, signal)];
    const library = await exists("/usr/lib/x86_64-linux-gnu/libgstreamer-1.0.so.0");
    return [missing("gstreamer", library ? "its library, and none of its programs" : undefined)];
  },
};

/** Of the elements that an agent's source is made of (core/agents/gstreamer.ts), those that are installed. */
async function gstreamerFound(version: string, signal: AbortSignal): Promise<Finding> {
  const listed = (await runChild(["gst-inspect-1.0"], signal))?.stdout ?? "";
  const installed = (elements: readonly string[]) =>
    elements.filter((element) => listed.includes(` ${element}: `));
  const h264 = installed(["nvh264enc", "x264enc", "openh264enc"]);
  const screens = installed(["ximagesrc", "pipewiresrc"]);
  const text = `${version}, H.264 by ${h264.join(", ") || "nothing"}, ` +
    `screens by ${screens.join(", ") || "nothing"}`;
  return { name: "gstreamer", level: "ok", text, facts: { version, h264, screens } };
}

export const xvfb: Check = {
  name: "xvfb",
  async run({ environment }) {
    const folders = (environment.PATH ?? "").split(":").filter((folder) => folder !== "");
    const paths = folders.map((folder) => `${folder}/Xvfb`);
    const found = await Promise.all(paths.map(exists));
    const path = paths.find((_, at) => found[at]) ?? null;
    return [{
      name: "xvfb",
      level: path === null ? "note" : "ok",
      text: path ?? "not installed: no agent can have a display of its own",
      facts: { path },
    }];
  },
};

function missing(name: string, text = "not installed"): Finding {
  return { name, level: "note", text, facts: { version: null } };
}
