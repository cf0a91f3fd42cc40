/** GStreamer as a source: its pipeline, with nothing held back on the way. */

import type { CaptureTools } from "./capture_tools.ts";
import type { Candidate, Capture } from "./captures.ts";

/** Part of a pipeline: from raw pictures to H.264. */
export type GstEncoder = readonly string[];

/** Hardware first. */
export function gstEncoders(
  { bitrateKbps, gopFrames, encoder }: Capture,
  tools: CaptureTools,
): Candidate<GstEncoder>[] {
  const known: Record<string, GstEncoder> = {
    nvh264enc: [
      ...["nvh264enc", "preset=low-latency-hq", "rc-mode=cbr", "zerolatency=true", "bframes=0"],
      ...[`bitrate=${bitrateKbps}`, `gop-size=${gopFrames}`],
    ],
    x264enc: [
      ...["x264enc", "tune=zerolatency", "speed-preset=superfast", "bframes=0"],
      ...["byte-stream=true", `bitrate=${bitrateKbps}`, `key-int-max=${gopFrames}`],
    ],
    openh264enc: [
      ...["openh264enc", "rate-control=bitrate", `bitrate=${bitrateKbps * 1000}`],
      `gop-size=${gopFrames}`,
    ],
  };
  const names = {
    auto: ["nvh264enc", "x264enc", "openh264enc"],
    nvenc: ["nvh264enc"],
    x264: ["x264enc"],
    openh264: ["openh264enc"],
  }[encoder];
  return names.map((name) => {
    const value = known[name]!;
    return { name, value, test: () => tools.gstEncodes(encoded(value)) };
  });
}

/** With start codes, and each picture in a piece of its own. */
function encoded(encoder: GstEncoder): string[] {
  const raw = "video/x-raw,format=I420,colorimetry=bt709";
  return [raw, "!", ...encoder, "!", "video/x-h264,stream-format=byte-stream,alignment=au"];
}

/** The elements that a pipeline names: the first word of each part that is no caps. */
export function gstElements(pipeline: string): string[] {
  return pipeline.split("!").map((part) => part.trim().split(/\s/)[0]!)
    .filter((word) => /^[a-z][\w-]*$/i.test(word));
}

/** `source`: part of a pipeline; null: the display. */
export function gstCommand(
  { display, width, height, fps }: Capture,
  source: string | null,
  encoder: GstEncoder,
): string[] {
  const screen = ["ximagesrc", "use-damage=false"].concat(
    display === null ? [] : [`display-name=${display}`],
  );
  const rate = `${Math.round(fps * 1000)}/1000`;
  const size = [`framerate=${rate}`].concat(
    width === null ? [] : [`width=${width}`],
    height === null ? [] : [`height=${height}`],
  );
  return [
    ...["gst-launch-1.0", "-q", ...(source === null ? screen : wordsOf(source)), "!"],
    ...(source === null ? [`video/x-raw,framerate=${rate}`, "!"] : []),
    ...["videorate", "drop-only=true", "!", "videoscale", "!", `video/x-raw,${size.join(",")}`],
    ...["!", "videoconvert", "!", ...encoded(encoder), "!", "fdsink", "fd=1", "sync=false"],
  ];
}

/** As a shell cuts them: at spaces, but not within quotes. */
function wordsOf(pipeline: string): string[] {
  return [...pipeline.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)]
    .map(([word]) => word.replaceAll(/["']/g, ""));
}
