/** The numbers over the picture, sent when they have changed. */

import type { RingReader } from "../ffi/reader.ts";
import { HUD_BYTES } from "../proto/wire.ts";
import type { Subscription } from "./subscription.ts";

export class HudFeed {
  readonly #block = new Uint8Array(HUD_BYTES);
  /** Changes with the block; a viewer is sent each version once. */
  #version = 1;

  /** Reads the block and sends it to those who do not have it yet. */
  send(reader: RingReader, subscriptions: readonly Subscription[]): void {
    if (!reader.readHud()) return;
    if (!equal(reader.hud, this.#block)) {
      this.#block.set(reader.hud);
      this.#version++;
    }
    for (const subscription of subscriptions) subscription.sendHud(this.#block, this.#version);
  }

  /** Everybody is sent the next block, equal or not. */
  restart(): void {
    this.#version++;
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index]) return false;
  }
  return true;
}
