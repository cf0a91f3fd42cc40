/** A run's pictures as packets of H.264 or JPEG, made by a native thread. telebridge.h, "Video", is the manual. */

import type { Controller } from "./controller.ts";
import { check } from "./errors.ts";
import { alive, openHandle } from "./handle.ts";
import type { Hub } from "./hub.ts";
import { StreamSettings, StreamStatus } from "./layout.ts";
import type { RingReader } from "./reader.ts";
import type { NativeSymbols } from "./symbols.ts";

/** What a stream makes; bits. */
export const VideoOutput = { H264: 1, Jpeg: 2 } as const;

export const EncoderKind = {
  Auto: 0,
  Nvenc: 1,
  X264: 2,
  OpenH264: 3,
  Jpeg: 4,
  /** The run's own access units, untouched. */
  Passed: 5,
} as const;

/** As `tele_stream_settings`; times are ns of CLOCK_MONOTONIC. */
export interface VideoSettings {
  /** With {@link periodNs}: frames are sampled in the turns that begin at `phaseNs + k * periodNs`. */
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

/**
 * - `packet`: one was taken, {@link VideoStream.bytesTaken} long
 * - `none`: nobody waits
 * - `small`: the buffer must hold {@link VideoStream.bytesTaken} bytes
 */
export type TakeResult = "packet" | "none" | "small";

const ENOBUFS = 105;
const TWO_POW_32 = 2 ** 32;
const decoder = new TextDecoder();

/**
 * One run's stream; the hub tells of its packets and its end under its id. Dispose before its hub, reader and controller:
 * that takes as long as the frame that is being encoded. Nothing is allocated per packet.
 */
export class VideoStream implements Disposable {
  readonly #native: NativeSymbols;
  readonly #reader: RingReader;
  readonly #settings = new DataView(new ArrayBuffer(StreamSettings.bytes));
  readonly #status = new DataView(new ArrayBuffer(StreamStatus.bytes));
  readonly #bytesOut = new Uint32Array(2);
  #pointer: Deno.PointerObject | null;

  /** Without a controller the run is polled every ms. Throws EEXIST for an id that the hub knows already. */
  constructor(
    native: NativeSymbols,
    hub: Hub,
    streamId: number,
    reader: RingReader,
    controller: Controller | null,
    settings: VideoSettings,
  ) {
    this.#native = native;
    this.#reader = reader;
    this.#write(settings);
    this.#pointer = openHandle(native, (out) =>
      native.tele_stream_open(
        hub.pointer,
        BigInt(streamId),
        reader.pointer,
        controller?.pointer ?? null,
        this.#settings,
        out,
      ));
    reader.joinedHub();
  }

  get #stream(): Deno.PointerObject {
    return alive(this.#pointer, `the stream of "${this.#reader.runId}"`);
  }

  #write(settings: VideoSettings): void {
    const view = this.#settings;
    const writeNs = (offset: number, ns: number) =>
      view.setBigUint64(offset, BigInt(Math.round(ns)), true);
    writeNs(StreamSettings.phase_ns, settings.phaseNs);
    writeNs(StreamSettings.period_ns, settings.periodNs);
    writeNs(StreamSettings.interval_min_ns, settings.intervalMinNs);
    view.setUint32(StreamSettings.outputs, settings.outputs, true);
    view.setUint32(StreamSettings.every_nth, settings.everyNth, true);
    view.setUint32(StreamSettings.in_order, settings.inOrder ? 1 : 0, true);
    view.setUint32(StreamSettings.bitrate_kbps, settings.bitrateKbps, true);
    view.setUint32(StreamSettings.gop_ms, settings.gopMs, true);
    view.setUint32(StreamSettings.fps_mhz, settings.fpsMhz, true);
    view.setUint32(StreamSettings.jpeg_quality, settings.jpegQuality, true);
    view.setUint32(StreamSettings.encoder, settings.encoder, true);
  }

  /** Takes effect with the next frame. */
  set(settings: VideoSettings): void {
    this.#write(settings);
    check(this.#native, this.#native.tele_stream_set(this.#stream, this.#settings));
  }

  /** The next packet of these {@link VideoOutput} bits will be a keyframe, soon. */
  requestKeyframe(outputs: number): void {
    check(this.#native, this.#native.tele_stream_request_keyframe(this.#stream, outputs));
  }

  /** Moves the oldest packet into `buffer`: its slot header, then the access unit or JPEG, then the overlay. */
  take(buffer: Uint8Array<ArrayBuffer>): TakeResult {
    const result = this.#native.tele_stream_take(
      this.#stream,
      buffer,
      BigInt(buffer.byteLength),
      this.#bytesOut,
    );
    if (result === 1) return "packet";
    if (result === 0) return "none";
    if (result === -ENOBUFS) return "small";
    check(this.#native, result);
    throw new Error(`tele_stream_take returned ${result}`);
  }

  /** Bytes that the last {@link take} moved, or would have. */
  get bytesTaken(): number {
    return this.#bytesOut[0]! + this.#bytesOut[1]! * TWO_POW_32;
  }

  readStatus(): VideoStatus {
    check(this.#native, this.#native.tele_stream_status_get(this.#stream, this.#status));
    return {
      framesSampled: this.#counter(StreamStatus.frames_sampled),
      framesSkipped: this.#counter(StreamStatus.frames_skipped),
      packets: this.#counter(StreamStatus.packets),
      packetsDropped: this.#counter(StreamStatus.packets_dropped),
      keyframes: this.#counter(StreamStatus.keyframes),
      bytes: this.#counter(StreamStatus.packets_bytes),
      convertNs: this.#counter(StreamStatus.convert_ns),
      encodeNs: this.#counter(StreamStatus.encode_ns),
      decodeNs: this.#counter(StreamStatus.decode_ns),
      lastFrame: this.#counter(StreamStatus.last_frame),
      encoder: this.#status.getUint32(StreamStatus.encoder, true),
      width: this.#status.getUint32(StreamStatus.width, true),
      height: this.#status.getUint32(StreamStatus.height, true),
      bitrateKbps: this.#status.getUint32(StreamStatus.bitrate_kbps, true),
      encoderName: this.#text(StreamStatus.encoder_name, StreamStatus.note),
      note: this.#text(StreamStatus.note, StreamStatus.bytes),
    };
  }

  #counter(offset: number): number {
    return Number(this.#status.getBigUint64(offset, true));
  }

  /** A text of C between two offsets of the status, up to its zero. */
  #text(from: number, to: number): string {
    const bytes = new Uint8Array(this.#status.buffer, from, to - from);
    return decoder.decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    this.#native.tele_stream_close(this.#pointer);
    this.#pointer = null;
    this.#reader.leftHub();
  }
}
