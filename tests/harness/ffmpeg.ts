/** Somebody else's program, to make video and to judge ours. */

import assert from "node:assert/strict";

const START_CODE_BYTES = 4;
/** Access unit delimiter. */
const NAL_AUD = 9;
const NAL_IDR = 5;

function ffmpeg(args: string[], input?: Uint8Array<ArrayBuffer>): ReturnType<typeof run> {
  return run("ffmpeg", args, input);
}

async function run(
  program: "ffmpeg" | "ffprobe",
  args: string[],
  input: Uint8Array<ArrayBuffer> = new Uint8Array(),
): Promise<{ output: Uint8Array<ArrayBuffer>; complaints: string }> {
  const child = new Deno.Command(program, {
    args: ["-hide_banner", "-loglevel", "warning", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writing = (async () => {
    const writer = child.stdin.getWriter();
    await writer.write(input);
    await writer.close();
  })();
  const { stdout, stderr, success } = await child.output();
  await writing;
  const complaints = new TextDecoder().decode(stderr);
  assert(success, complaints);
  return { output: stdout, complaints };
}

/** Decodes Annex-B. Returns how many pictures came out, of which sizes, and what the decoder complained of. */
export async function decodeH264(
  accessUnits: Uint8Array[],
): Promise<{ frames: number; sizes: string[]; complaints: string }> {
  const { output, complaints } = await ffmpeg(
    ["-f", "h264", "-i", "pipe:0", "-vf", "showinfo", "-autoscale", "0"].concat(
      ["-fps_mode", "passthrough", "-f", "framemd5", "pipe:1"],
    ),
    joined(accessUnits),
  );
  const lines = new TextDecoder().decode(output).split("\n");
  const sizes = lines.flatMap((line) => /^#dimensions 0: (\S+)/.exec(line)?.[1] ?? []);
  const frames = lines.filter((line) => /^\d+,/.test(line)).length;
  return { frames, sizes, complaints };
}

/** What ffprobe says of Annex-B: the stream's properties, every frame counted, and its complaints. */
export async function probeH264(
  accessUnits: Uint8Array[],
): Promise<{ stream: Record<string, unknown>; complaints: string }> {
  const { output, complaints } = await run(
    "ffprobe",
    ["-f", "h264", "-count_frames", "-show_streams", "-of", "json", "pipe:0"],
    joined(accessUnits),
  );
  return { stream: JSON.parse(new TextDecoder().decode(output)).streams[0], complaints };
}

/** One packet of a stream, as ffprobe has it from a container. */
export interface ProbedPacket {
  /** In the stream's ticks; of MPEG-TS they are 1/90,000 s. */
  pts: number;
  isKeyframe: boolean;
}

/** What ffprobe says of a file: its streams, every frame counted, every packet, and its complaints. */
export async function probeVideo(
  file: Uint8Array<ArrayBuffer>,
  inputArgs: string[] = [],
): Promise<
  { streams: Record<string, unknown>[]; packets: ProbedPacket[]; complaints: string }
> {
  const { output, complaints } = await run("ffprobe", [
    ...[...inputArgs, "-count_frames", "-show_streams", "-show_packets", "-of", "json", "pipe:0"],
  ], file);
  const { streams, packets } = JSON.parse(new TextDecoder().decode(output));
  return {
    streams,
    packets: packets.map(({ pts, flags }: { pts: number; flags: string }) => ({
      pts,
      isKeyframe: flags.startsWith("K"),
    })),
    complaints,
  };
}

export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}

/** All pictures, and what the decoder complained of: RGB rows without padding. */
export async function decodePictures(
  accessUnits: Uint8Array[],
  { width, height }: { width: number; height: number },
): Promise<{ pictures: Uint8Array[]; complaints: string }> {
  const { output, complaints } = await ffmpeg(
    ["-f", "h264", "-i", "pipe:0", "-fps_mode", "passthrough", "-pix_fmt", "rgb24"].concat(
      ["-f", "rawvideo", "pipe:1"],
    ),
    joined(accessUnits),
  );
  const bytes = width * height * 3;
  const pictures = Array.from(
    { length: output.byteLength / bytes },
    (_, index) => output.subarray(index * bytes, (index + 1) * bytes),
  );
  return { pictures, complaints };
}

/** The picture of the first access unit, which is a keyframe: RGB rows without padding. */
export async function firstPicture(accessUnits: Uint8Array[]): Promise<Uint8Array> {
  const { output } = await ffmpeg(
    ["-f", "h264", "-i", "pipe:0", "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo"].concat(
      "pipe:1",
    ),
    joined(accessUnits),
  );
  return output;
}

/** What a JPEG shows: RGB rows without padding. */
export async function decodeJpeg(jpeg: Uint8Array): Promise<Uint8Array> {
  const { output } = await ffmpeg(
    ["-f", "mjpeg", "-i", "pipe:0", "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"],
    joined([jpeg]),
  );
  return output;
}

/**
 * A moving picture as a producer of H.264 has it: access units, a keyframe every ten. Of baseline profile, or with
 * `veryfast` of High.
 */
export function encodedCard(
  width: number,
  height: number,
  framesCount: number,
  preset?: "veryfast",
): Promise<Uint8Array<ArrayBuffer>[]> {
  const input = ["-f", "lavfi", "-i", `testsrc=size=${width}x${height}:rate=25`];
  return encodedUnits(input, new Uint8Array(), framesCount, preset);
}

/** The same of pictures: RGB rows without padding. */
export function encodeH264(
  pictures: Uint8Array[],
  { width, height }: { width: number; height: number },
): Promise<Uint8Array<ArrayBuffer>[]> {
  const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`, "-i", "pipe:0"];
  return encodedUnits(input, joined(pictures), pictures.length);
}

async function encodedUnits(
  inputArgs: string[],
  input: Uint8Array<ArrayBuffer>,
  framesCount: number,
  preset: "ultrafast" | "veryfast" = "ultrafast",
): Promise<Uint8Array<ArrayBuffer>[]> {
  const { output } = await ffmpeg([
    ...inputArgs,
    // BT.709, which viewers take pictures for that do not say otherwise.
    ...["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-colorspace", "bt709"],
    ...["-frames:v", `${framesCount}`, "-pix_fmt", "yuv420p", "-c:v", "libx264"],
    ...["-preset", preset, "-tune", "zerolatency", "-g", "10"],
    ...["-x264-params", "aud=1:slices=1", "-f", "h264", "pipe:1"],
  ], input);
  const units: Uint8Array<ArrayBuffer>[] = [];
  const starts = unitStarts(output);
  starts.forEach((start, index) => units.push(output.slice(start, starts[index + 1])));
  assert.equal(units.length, framesCount);
  return units;
}

/** Where access units begin: at their delimiters. */
function unitStarts(bytes: Uint8Array): number[] {
  return nalOffsets(bytes).filter((offset) => (bytes[offset]! & 31) === NAL_AUD)
    .map((offset) => offset - START_CODE_BYTES);
}

/** Whether an access unit can be decoded without those before it. */
export function isKeyframe(unit: Uint8Array): boolean {
  return nalOffsets(unit).some((offset) => (unit[offset]! & 31) === NAL_IDR);
}

/** Of all its NAL units: 1 a slice, 5 one of an IDR, 7 and 8 parameter sets (H.264, table 7-1). */
export function nalTypes(bytes: Uint8Array): number[] {
  return nalOffsets(bytes).map((offset) => bytes[offset]! & 31);
}

/** Offsets of the first bytes behind start codes. */
function nalOffsets(bytes: Uint8Array): number[] {
  const offsets: number[] = [];
  for (let at = 0; at + 3 < bytes.byteLength; at++) {
    if (bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1) offsets.push(at + 3);
  }
  return offsets;
}

/** Of two pictures; more is better, above 30 dB they look alike. */
export function psnrDb(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.byteLength, b.byteLength);
  let squares = 0;
  for (let index = 0; index < a.byteLength; index++) squares += (a[index]! - b[index]!) ** 2;
  return 10 * Math.log10(255 ** 2 / (squares / a.byteLength));
}
