/**
 * Keeps pictures until the graphics device has read them. Drawing only queues commands; a fence behind them tells when
 * they are done. Fences are looked at when the next picture is to be drawn and ten times a second: nothing blocks on
 * them, and nothing wakes up for them while no picture waits.
 */

import type { FrameLease } from "./frame_lease.ts";

/** Pictures held, at most; beyond that the oldest is let go, whose commands are three draws old. */
const HELD_MAX = 4;

/** The little of WebGL 2 that this needs. */
export type FenceContext = Pick<
  WebGL2RenderingContext,
  "fenceSync" | "clientWaitSync" | "deleteSync"
>;

const SYNC_GPU_COMMANDS_COMPLETE = 0x9117;
const TIMEOUT_EXPIRED = 0x911b;

interface HeldPicture {
  /** null: the commands have a copy of the picture. */
  lease: FrameLease | null;
  fence: WebGLSync | null;
}

export class GpuHold {
  readonly #gl: FenceContext;
  readonly #held: HeldPicture[] = [];
  /** Pictures that were let go without knowing. */
  picturesHurried = 0;

  constructor(gl: FenceContext) {
    this.#gl = gl;
  }

  get picturesHeld(): number {
    return this.#held.length;
  }

  /** The device has not done with what was drawn. */
  get isBusy(): boolean {
    this.poll();
    return this.#held.length > 0;
  }

  /** Drawing commands have just been queued, which read this picture; null: which have copied it. */
  hold(lease: FrameLease | null): void {
    const fence = this.#gl.fenceSync(SYNC_GPU_COMMANDS_COMPLETE, 0);
    const again = this.#held.findIndex((held) => held.lease === lease);
    if (again >= 0) this.#gl.deleteSync(this.#held.splice(again, 1)[0]!.fence);
    else lease?.take("renderer");
    this.#held.push({ lease, fence });
    this.poll();
    if (this.#held.length <= HELD_MAX) return;
    this.picturesHurried++;
    this.#letGo();
  }

  /** Lets go of the pictures that the device has done with; fences pass in order. */
  poll(): void {
    while (this.#held.length > 0 && this.#hasPassed(this.#held[0]!.fence)) this.#letGo();
  }

  /** The context is lost: nothing reads any picture. */
  releaseAll(): void {
    while (this.#held.length > 0) this.#letGo();
  }

  #hasPassed(fence: WebGLSync | null): boolean {
    // A lost context makes no fences and fails to wait.
    return fence === null || this.#gl.clientWaitSync(fence, 0, 0) !== TIMEOUT_EXPIRED;
  }

  #letGo(): void {
    const { lease, fence } = this.#held.shift()!;
    this.#gl.deleteSync(fence);
    lease?.release("renderer");
  }
}
