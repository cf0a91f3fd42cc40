/**
 * The frames of runs as they stand in their rings (docs/ring.md), read from the files themselves: every header, no
 * payload, and nothing that anybody notices.
 */

const POLL_MS = 20;
const HEADER_BYTES = 192;
const SLOTS_OFFSET = 16_384;
const SLOT_HEADER_BYTES = 64;
/** Of a life, not counted. */
const SETTLE_S = 1;

/** One producer's segment. */
export interface Life {
  producerPid: number;
  /** performance.now() when its first frame was seen. */
  beganAtMs: number;
  /** Of its first frame, CLOCK_MONOTONIC: where its rhythm begins, whose turns count from 0. */
  firstNs: bigint;
  /** The first turn that counts: what a start takes is no loss of a stream that runs. */
  fromTurn: number;
  /** The turn of the last frame that was seen. */
  lastTurn: number;
  /** Since fromTurn. */
  framesSeen: number;
  /** Frames that were overwritten before we looked, or whose step is not one more than that of the frame before. */
  jumps: number;
}

export class RingWatch {
  /** The last one is the present. */
  readonly lives: Life[] = [];
  readonly #path: string;
  readonly #fps: number;
  #file: Deno.FsFile | null = null;
  #inode: number | null = null;
  #life: Life | null = null;
  #head = 0n;
  #step = 0n;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(runId: string, fps: number) {
    this.#fps = fps;
    this.#path = `/dev/shm/mosaic.run.${runId}.fastlane`;
  }

  start(): void {
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#close();
  }

  /** What is counted begins anew, with the life that is there. */
  reset(): void {
    this.lives.length = 0;
    const life = this.#life;
    if (life === null) return;
    this.#life = { ...life, fromTurn: life.lastTurn + 1, framesSeen: 0, jumps: 0 };
    this.lives.push(this.#life);
  }

  get present(): Life | null {
    return this.#life;
  }

  #close(): void {
    this.#file?.close();
    this.#file = null;
    this.#inode = null;
    this.#life = null;
  }

  #poll(): void {
    const inode = inodeOf(this.#path);
    if (inode !== this.#inode && this.#file !== null) {
      this.#readFrames(); // what came between the last look and its end
      this.#close();
    }
    if (inode === null) return;
    try {
      this.#file ??= Deno.openSync(this.#path);
    } catch {
      return; // removed meanwhile
    }
    this.#inode = inode;
    this.#readFrames();
  }

  #readFrames(): void {
    const header = this.#read(0, HEADER_BYTES);
    if (header === null) return;
    const head = header.getBigUint64(64, true);
    if (head === 0n) return;
    const capacity = header.getBigUint64(16, true);
    const slotBytes = header.getBigUint64(24, true);
    if (this.#life === null) this.#begin(header.getUint32(48, true));
    const first = head > this.#head + capacity ? head - capacity + 1n : this.#head + 1n;
    for (let number = first; number <= head; number++) {
      const at = BigInt(SLOTS_OFFSET) + ((number - 1n) % capacity) * slotBytes;
      this.#take(number, this.#read(Number(at), SLOT_HEADER_BYTES));
    }
    this.#head = head;
  }

  #begin(producerPid: number): void {
    const beganAtMs = performance.now();
    const fromTurn = Math.round(this.#fps * SETTLE_S);
    const none = { firstNs: 0n, lastTurn: 0, framesSeen: 0, jumps: 0 };
    this.#life = { producerPid, beganAtMs, fromTurn, ...none };
    this.lives.push(this.#life);
    this.#head = 0n;
    this.#step = 0n;
  }

  #take(number: bigint, slot: DataView | null): void {
    const life = this.#life!;
    if (slot === null || slot.getBigUint64(0, true) !== 2n * number) {
      life.jumps++;
      return;
    }
    const step = slot.getBigUint64(16, true);
    const atNs = slot.getBigUint64(40, true);
    if (life.firstNs === 0n) life.firstNs = atNs;
    else if (step !== this.#step + 1n) life.jumps++;
    this.#step = step;
    life.lastTurn = Math.round(Number(atNs - life.firstNs) / 1e9 * this.#fps);
    if (life.lastTurn >= life.fromTurn) life.framesSeen++;
  }

  #read(at: number, bytes: number): DataView | null {
    const buffer = new Uint8Array(bytes);
    this.#file!.seekSync(at, Deno.SeekMode.Start);
    return this.#file!.readSync(buffer) === bytes ? new DataView(buffer.buffer) : null;
  }
}

function inodeOf(path: string): number | null {
  try {
    return Deno.statSync(path).ino;
  } catch {
    return null;
  }
}

/** Frames that were due in these lives, and those that were seen. */
export function framesOf(lives: readonly Life[]): { due: number; seen: number } {
  const sum = (part: (life: Life) => number) => lives.reduce((all, life) => all + part(life), 0);
  return {
    due: sum(({ fromTurn, lastTurn }) => Math.max(0, lastTurn - fromTurn + 1)),
    seen: sum(({ framesSeen }) => framesSeen),
  };
}
