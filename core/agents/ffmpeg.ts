/** FFmpeg as a source: its command line, with nothing held back on the way. */

import type { CaptureTools } from "./capture_tools.ts";
import type { Candidate, Capture } from "./captures.ts";

/** How an encoder is given its pictures, and what it is told. */
export interface FfmpegEncoder {
  /** In front of the input. */
  setup: readonly string[];
  /** The last filters. */
  filters: string;
  options: readonly string[];
}

/** Hardware first. A device for VA-API is null where there is none. */
export function ffmpegEncoders(
  { bitrateKbps, gopFrames, encoder }: Capture,
  tools: CaptureTools,
  vaapiDevice: string | null,
): Candidate<FfmpegEncoder>[] {
  const rate = [
    ...["-b:v", `${bitrateKbps}k`, "-maxrate", `${bitrateKbps}k`],
    ...["-bufsize", `${bitrateKbps}k`, "-g", String(gopFrames), "-bf", "0"],
  ];
  const planar = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p";
  const known: Record<string, FfmpegEncoder> = {
    h264_nvenc: {
      setup: [],
      filters: planar,
      options: [
        ...["-preset", "p3", "-tune", "ull", "-rc", "cbr", "-zerolatency", "1", "-delay", "0"],
        ...["-forced-idr", "1", ...rate],
      ],
    },
    h264_vaapi: {
      setup: ["-vaapi_device", vaapiDevice ?? ""],
      filters: "scale=out_color_matrix=bt709:out_range=tv,format=nv12,hwupload",
      options: ["-async_depth", "1", "-idr_interval", "0", ...rate],
    },
    libx264: {
      setup: [],
      filters: planar,
      options: ["-preset", "superfast", "-tune", "zerolatency", "-profile:v", "high", ...rate],
    },
    libopenh264: {
      setup: [],
      filters: planar,
      options: ["-profile:v", "constrained_baseline", ...rate],
    },
  };
  const names = {
    auto: ["h264_nvenc", ...(vaapiDevice === null ? [] : ["h264_vaapi"]), "libx264", "libopenh264"],
    nvenc: ["h264_nvenc"],
    x264: ["libx264"],
    openh264: ["libopenh264"],
  }[encoder];
  return names.map((name) => {
    const value = known[name]!;
    const test = () =>
      tools.ffmpegEncodes([...value.setup, "-vf", value.filters, "-c:v", name, ...value.options]);
    return { name, value: { ...value, options: ["-c:v", name, ...value.options] }, test };
  });
}

export function ffmpegCommand(capture: Capture, encoder: FfmpegEncoder): string[] {
  const { width, height, fps, input } = capture;
  // 4:2:0 has no odd sizes.
  const size = width === null && height === null
    ? "crop=trunc(iw/2)*2:trunc(ih/2)*2"
    : `scale=${width ?? -2}:${height ?? -2}`;
  return [
    ...["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "warning", ...encoder.setup],
    ...["-fflags", "nobuffer", ...(input ?? screenInput(capture))],
    ...["-map", "0:v:0", "-vf", `${size},fps=${fps},${encoder.filters}`, ...encoder.options],
    ...["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"],
    // A packet of the stream tells its length, so that a picture is whole when it has come.
    ...["-f", "mpegts", "-omit_video_pes_length", "0", "-flush_packets", "1", "pipe:1"],
  ];
}

function screenInput({ display, screen, fps }: Capture): string[] {
  const size = screen === null ? [] : ["-video_size", screen];
  // Without a name it is $DISPLAY.
  return ["-f", "x11grab", "-framerate", String(fps), ...size, "-i", display ?? ""];
}
