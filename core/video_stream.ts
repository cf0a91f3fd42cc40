/**
 * What a video feed needs of the native stream that makes its packets. ffi/stream.ts has the real one; tests have one in
 * memory. telebridge.h, section "Video", is the manual.
 */

/** What a stream makes; bits. */
export const VideoOutput = { H264: 1, Jpeg: 2 } as const;

/** As `tele_stream_settings`; times are ns of CLOCK_MONOTONIC. */
export interface VideoSettings {
  /** With {@link periodNs}: frames are sampled at `phaseNs + k * periodNs` only. */
  phaseNs: number;
  /** 0 = every frame as it comes. */
  periodNs: number;
  /** Least time between two sampled frames; 0 = none. */
  intervalMinNs: number;
  /** {@link VideoOutput} bits for which somebody can take a packet; 0 = nothing is sampled. */
  outputs: number;
  /** Only every n-th frame of the run; 1 = all. */
  everyNth: number;
  /** true: every frame while the ring holds it; false: always the newest. */
  inOrder: boolean;
  /** 0 = by size and rate. */
  bitrateKbps: number;
  /** Time between keyframes that nobody asked for; 0 = no such keyframes. */
  gopMs: number;
  /** Expected rate in millihertz, for rate control; 0 = measured. */
  fpsMhz: number;
  /** 1 to 100; 0 = the library's choice. */
  jpegQuality: number;
  /** {@link EncoderKind} for H.264. */
  encoder: number;
}

export const EncoderKind = {
  Auto: 0,
  Nvenc: 1,
  X264: 2,
  OpenH264: 3,
  Jpeg: 4,
  Passed: 5,
} as const;

/** As `tele_stream_status`. Counters are exact up to 2^53. */
export interface VideoStatus {
  framesSampled: number;
  framesSkipped: number;
  packets: number;
  packetsDropped: number;
  keyframes: number;
  bytes: number;
  convertNs: number;
  encodeNs: number;
  decodeNs: number;
  lastFrame: number;
  /** {@link EncoderKind}; Auto while none is open. */
  encoder: number;
  /** Of the newest frame sampled. */
  width: number;
  height: number;
  /** What the encoder aims at; 0 where nobody does. */
  bitrateKbps: number;
  /** "x264 164" */
  encoderName: string;
  /** Why it is this one. */
  note: string;
}

/** - `packet`: one was taken, {@link VideoStream.bytesTaken} long
 * - `none`: nobody waits
 * - `small`: the buffer must hold {@link VideoStream.bytesTaken} bytes
 */
export type TakeResult = "packet" | "none" | "small";

/** Dispose it before its reader and its controller. */
export interface VideoStream extends Disposable {
  /** Takes effect with the next frame. */
  set(settings: VideoSettings): void;
  /** The next packet of these {@link VideoOutput} bits will be a keyframe, soon. */
  requestKeyframe(outputs: number): void;
  /** Moves the oldest packet into `buffer`: its slot header, then the access unit or JPEG, then the overlay. */
  take(buffer: Uint8Array<ArrayBuffer>): TakeResult;
  /** Bytes that the last {@link take} moved, or would have. */
  readonly bytesTaken: number;
  readStatus(): VideoStatus;
}

/** One row of what this machine can encode with. */
export interface EncoderFound {
  kind: number;
  /** As `--encoder` says it. */
  name: string;
  usable: boolean;
  /** What it is, or why it cannot be used. */
  detail: string;
}
