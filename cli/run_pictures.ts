/** Pictures of `telebridge run`: into shared memory on this machine, and by gRPC when the server asks for that. */

import { FRAME_FORMATS, type FrameInit, type Run } from "../clients/ts/mod.ts";
import { messageOf } from "../core/errors.ts";
import type { Library } from "../ffi/library.ts";
import type { Producer } from "../ffi/producer.ts";
import type { PictureSink } from "./run_records.ts";

/** A ring's slots: enough that a reader is not lapped, few enough for large pictures. */
const CAPACITY = 8;

export class RunPictures implements PictureSink, Disposable {
  readonly #run: Run;
  readonly #library: Library | null;
  readonly #warn: (text: string) => void;
  #ring: Producer | null = null;
  #ringBytes = 0;
  #ringFailed = false;

  /** Without a library pictures go by gRPC alone. */
  constructor(run: Run, library: Library | null, warn: (text: string) => void) {
    this.#run = run;
    this.#library = library;
    this.#warn = warn;
  }

  show(frame: FrameInit): void {
    const isShared = this.#share(frame);
    if (!isShared || this.#run.framesWanted) this.#run.frame(frame);
  }

  /** Whether it is in shared memory now. */
  #share(frame: FrameInit): boolean {
    const ring = this.#ringFor(frame.pixels.byteLength);
    if (ring === null) return false;
    const { hud } = this.#run;
    // What comes with the picture is newer than the last step's.
    const step = Number(frame.step ?? hud.step);
    const episode = Number(frame.episode ?? hud.episode);
    const reward = frame.reward ?? hud.lastReward;
    ring.setHud({ ...hud, step, episode, lastReward: reward });
    ring.publish({
      ...frame,
      ...{ step, episode, reward },
      pixels: frame.pixels as Uint8Array<ArrayBuffer>,
      format: FRAME_FORMATS[frame.format ?? "rgb8"],
      overlay: undefined,
    });
    return true;
  }

  /** A picture larger than those before gets a new segment; viewers follow. */
  #ringFor(payloadBytes: number): Producer | null {
    if (this.#library === null || this.#ringFailed) return null;
    if (this.#ring !== null && payloadBytes <= this.#ringBytes) return this.#ring;
    this[Symbol.dispose]();
    try {
      this.#ring = this.#library.openProducer(this.#run.id, payloadBytes, CAPACITY);
      this.#ringBytes = payloadBytes;
      this.#run.announceRing(identityOf(this.#run.id, this.#library));
    } catch (error) {
      this[Symbol.dispose]();
      this.#ringFailed = true;
      this.#warn(`no shared memory for pictures: ${messageOf(error)}; they go by gRPC`);
    }
    return this.#ring;
  }

  [Symbol.dispose](): void {
    this.#ring?.[Symbol.dispose]();
    this.#ring = null;
  }
}

/** The header is read by the library: to open and close the file here would free the owner's lock on it. */
function identityOf(runId: string, library: Library) {
  const { dev, ino } = Deno.lstatSync(`/dev/shm/mosaic.run.${runId}.fastlane`);
  using reader = library.openReader(runId);
  return { device: BigInt(dev), inode: BigInt(ino ?? 0), epochNs: reader.epochNs };
}
