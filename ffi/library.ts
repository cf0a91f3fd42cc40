/** The native library, loaded: `using library = Library.open(path)`. */

import { AccessUnitSplitter } from "./annexb.ts";
import { Controller } from "./controller.ts";
import { check, checkNonblocking } from "./errors.ts";
import { Hub } from "./hub.ts";
import { PictureStats as PictureStatsLayout } from "./layout.ts";
import { Producer } from "./producer.ts";
import { RingReader } from "./reader.ts";
import { type VideoSettings, VideoStream } from "./stream.ts";
import { type NativeSymbols, symbols } from "./symbols.ts";
import { TsMuxer } from "./ts_mux.ts";

const TEXT_BYTES_MAX = 16 * 1024;
const ENOBUFS = 105;

/** One row of what this machine can encode with. */
export interface EncoderFound {
  /** As {@link VideoSettings.encoder}. */
  kind: number;
  /** As `--encoder` says it. */
  name: string;
  usable: boolean;
  /** What it is, or why it cannot be used. */
  detail: string;
}

export interface CudaFound {
  /** "12.4", what the driver has. */
  cuda: string;
  devices: { name: string; memory_bytes: number; compute_capability: string }[];
}

/** A device that EGL may render on without a display. */
export interface EglDevice {
  /** "/dev/dri/card0"; null for one without a node. */
  drm: string | null;
  extensions: string;
  /** Why nothing can be drawn on it; the members below are missing then. */
  error: string | null;
  egl?: string;
  vendor?: string;
  api?: "OpenGL" | "OpenGL ES";
  renderer?: string;
}

export interface ClockFound {
  /** By NTP or its like, as the kernel was told. */
  synchronized: boolean;
  max_error_us: number;
  /** What reading CLOCK_MONOTONIC costs. */
  read_ns: number;
}

/** What a picture looks like from afar. */
export interface PictureStats {
  frame: number;
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** Of all pixels, 0 black to 255 white. */
  lumaMin: number;
  lumaMax: number;
  /** Mean luma of the cells of a grid over the picture, row by row. */
  cells: Uint8Array<ArrayBuffer>;
}

/** Close what it opened before the library itself. */
export class Library implements Disposable {
  readonly #library: Deno.DynamicLibrary<typeof symbols>;
  readonly #native: NativeSymbols;
  readonly #jpegBytesOut = new BigUint64Array(1);

  private constructor(library: Deno.DynamicLibrary<typeof symbols>) {
    this.#library = library;
    this.#native = library.symbols;
  }

  static open(path: string): Library {
    try {
      return new Library(Deno.dlopen(path, symbols));
    } catch (error) {
      const found = (error as Error).message;
      throw new Error(`cannot load the native library ${path} (make build makes it): ${found}`);
    }
  }

  /** "major.minor.patch" */
  get version(): string {
    return Deno.UnsafePointerView.getCString(this.#native.tele_version()!);
  }

  /** CLOCK_MONOTONIC, ns. */
  clockMonoNs(): bigint {
    return this.#native.tele_clock_mono_ns();
  }

  /** Sizes and offsets of every public struct, as the C compiler sees them. */
  layout(): unknown {
    return this.#json((buffer, bytes) => this.#native.tele_layout_json(buffer, bytes));
  }

  /** The directory for sockets; made when missing. Throws EPERM when it is not safe. */
  runtimeDir(): string {
    return this.#text((buffer, bytes) => this.#native.tele_runtime_dir(buffer, bytes));
  }

  /** Throws ENOENT (no such run), EAGAIN (not ready yet), EPERM (another user's), EPROTO (a header that lies). */
  openReader(runId: string): RingReader {
    return new RingReader(this.#native, runId);
  }

  /** Throws EBUSY when another process is the run's controller. */
  openController(reader: RingReader): Controller {
    return new Controller(this.#native, reader);
  }

  openHub(): Hub {
    return new Hub(this.#native);
  }

  openProducer(runId: string, payloadBytesMax: number, capacity?: number): Producer {
    return new Producer(this.#native, runId, payloadBytesMax, capacity);
  }

  /** Starts a thread that makes the run's video; the hub's events of that id are the stream's from now on. */
  openStream(
    hub: Hub,
    streamId: number,
    reader: RingReader,
    controller: Controller | null,
    settings: VideoSettings,
  ): VideoStream {
    return new VideoStream(this.#native, hub, streamId, reader, controller, settings);
  }

  /** For a stream of H.264 in Annex-B; larger access units are dropped. */
  openSplitter(unitBytesMax: number): AccessUnitSplitter {
    return new AccessUnitSplitter(this.#native, unitBytesMax);
  }

  /** For one stream of H.264. */
  openTsMuxer(): TsMuxer {
    return new TsMuxer(this.#native);
  }

  /** What this machine can encode with, in the order in which they are tried. Probing takes up to 1 s the first time. */
  async encoders(): Promise<EncoderFound[]> {
    const buffer = new Uint8Array(TEXT_BYTES_MAX);
    const result = await this.#native.tele_encoders_json(buffer, BigInt(TEXT_BYTES_MAX));
    const chars = checkNonblocking("listing the encoders", result);
    return JSON.parse(new TextDecoder().decode(buffer.subarray(0, chars)));
  }

  /** By NVIDIA's driver, which may hang or crash: for processes that may die. Throws ENODEV without one. */
  probeCuda(): CudaFound {
    return this.#json((buffer, bytes) => this.#native.tele_probe_cuda_json(buffer, bytes));
  }

  /** By the drivers of whatever GPUs there are, as {@link probeCuda}. Throws ENODEV without EGL. */
  probeEgl(): { devices: EglDevice[] } {
    return this.#json((buffer, bytes) => this.#native.tele_probe_egl_json(buffer, bytes));
  }

  probeClock(): ClockFound {
    return this.#json((buffer, bytes) => this.#native.tele_probe_clock_json(buffer, bytes));
  }

  /**
   * The run's newest picture as JPEG, whatever it publishes; off the main thread. Nobody else may read through the reader
   * meanwhile, nor touch `jpeg`. Resolves to the JPEG's bytes, or to a negative number, the size that `jpeg` needs. Throws
   * ENOENT without a frame, ETIMEDOUT when a run of H.264 sent no keyframe in time.
   */
  async snapshot(
    reader: RingReader,
    quality: number,
    timeoutMs: number,
    jpeg: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const bytesOut = new BigUint64Array(1);
    reader.joinedHub();
    try {
      const result = await this.#native.tele_reader_snapshot(
        reader.pointer,
        quality,
        timeoutMs,
        jpeg,
        BigInt(jpeg.byteLength),
        bytesOut,
      );
      const bytes = Number(bytesOut[0]);
      if (result === -ENOBUFS) return -bytes;
      checkNonblocking(`taking a picture of "${reader.runId}"`, result);
      return bytes;
    } finally {
      reader.leftHub();
    }
  }

  /**
   * Looks at a picture numbered over `afterFrame`, off the main thread; nobody else may read through the reader meanwhile.
   * Where there is none the producer is asked for one and waited for, up to `askMs`; 0 leaves it alone. Resolves to null
   * without a picture. Throws EPROTO, EFAULT.
   */
  async pictureStats(
    reader: RingReader,
    afterFrame: number,
    askMs: number,
  ): Promise<PictureStats | null> {
    const buffer = new Uint8Array(PictureStatsLayout.bytes);
    reader.joinedHub();
    try {
      const result = await this.#native.tele_reader_picture_stats(
        reader.pointer,
        BigInt(afterFrame),
        askMs,
        buffer,
      );
      const found = checkNonblocking(`looking at a picture of "${reader.runId}"`, result);
      return found === 0 ? null : readPictureStats(buffer);
    } finally {
      reader.leftHub();
    }
  }

  /**
   * Encodes a frame as copied by {@link RingReader.read} to JPEG, off the main thread. Both arrays must stay untouched
   * until it resolves: to the JPEG's bytes, or to a negative number, the size that `jpeg` needs. One call at a time.
   */
  async encodeJpeg(
    frame: Uint8Array<ArrayBuffer>,
    quality: number,
    jpeg: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const result = await this.#native.tele_jpeg_encode(
      frame,
      BigInt(frame.byteLength),
      quality,
      jpeg,
      BigInt(jpeg.byteLength),
      this.#jpegBytesOut,
    );
    const bytes = Number(this.#jpegBytesOut[0]);
    if (result === -ENOBUFS) return -bytes;
    checkNonblocking("encoding a JPEG", result);
    return bytes;
  }

  /** This process goes on as another program, by its path; returns only by throwing. */
  exec(words: readonly string[]): never {
    const text = new TextEncoder().encode(words.map((word) => `${word}\0`).join(""));
    check(this.#native, this.#native.tele_exec(text, BigInt(text.byteLength)));
    throw new Error("tele_exec returned without an error");
  }

  #text(write: (buffer: Uint8Array<ArrayBuffer>, bytes: bigint) => number): string {
    const buffer = new Uint8Array(TEXT_BYTES_MAX);
    check(this.#native, write(buffer, BigInt(TEXT_BYTES_MAX)));
    return new TextDecoder().decode(buffer.subarray(0, buffer.indexOf(0)));
  }

  /** Of a shape that the header promises. */
  #json<Shape>(write: (buffer: Uint8Array<ArrayBuffer>, bytes: bigint) => number): Shape {
    return JSON.parse(this.#text(write));
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }
}

function readPictureStats(buffer: Uint8Array<ArrayBuffer>): PictureStats {
  const view = new DataView(buffer.buffer);
  const word = (offset: number) => view.getUint32(offset, true);
  return {
    frame: Number(view.getBigUint64(PictureStatsLayout.frame, true)),
    width: word(PictureStatsLayout.width),
    height: word(PictureStatsLayout.height),
    lumaMin: word(PictureStatsLayout.luma_min),
    lumaMax: word(PictureStatsLayout.luma_max),
    cells: buffer.subarray(PictureStatsLayout.cells),
  };
}
