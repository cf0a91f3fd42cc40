/**
 * Keeps the server in time with the display: counts animation frames while pictures come, and says four times a second
 * when the display takes a picture and how long before a frame must be sampled.
 */

import type { Display } from "../proto/wire.ts";
import type { ServerClock } from "./clock.ts";
import { DisplayClock, type DisplayTimes } from "./display_clock.ts";
import { PhaseLead } from "./phase_lead.ts";

const SAY_MS = 250;
/** Without a picture for so long no animation frame is asked for: a page that shows nothing new wakes nobody. */
const IDLE_MS = 500;
/** The end of phase lock is said more than once, since a datagram may be lost. */
const FAREWELLS = 4;

export interface DisplayLinkOptions {
  clock: ServerClock;
  nowMs(): number;
  /** requestAnimationFrame. */
  requestFrame(callback: (stampMs: number) => void): void;
  say(display: Display): void;
}

export class DisplayLink {
  readonly #options: DisplayLinkOptions;
  readonly #display = new DisplayClock();
  readonly #lead = new PhaseLead();
  #requested = false;
  #drawnAtMs = -Infinity;
  /** Of the newest picture; called with the next animation frame's moment, and forgotten. */
  #onFrame: ((nowMs: number) => void) | null = null;
  #phaseLock = false;
  #said: Display | null = null;
  #saidAtMs = -Infinity;
  #farewells = 0;

  constructor(options: DisplayLinkOptions) {
    this.#options = options;
  }

  set phaseLock(on: boolean) {
    if (this.#phaseLock === on) return;
    if (!on) this.#farewells = FAREWELLS;
    this.#phaseLock = on;
    this.#said = null;
    this.#saidAtMs = -Infinity;
  }

  /** Another subscription: the way is another one. */
  restart(): void {
    this.#lead.reset();
    // A hidden page gets no animation frame until it is seen again.
    this.#onFrame = null;
    this.#said = null;
    this.#saidAtMs = -Infinity;
  }

  /** null: not known yet. */
  get periodMs(): number | null {
    return this.#display.times?.periodMs ?? null;
  }

  /**
   * A frame was drawn; both moments are of the server's clock. `locked`: it was sampled at the display's phase.
   * `onDisplay` is called when the display's next frame begins, if no other picture is drawn until then: the display
   * shows the last one.
   */
  drawn(
    frame: { sampledAtMs: number; drawnAtMs: number; locked: boolean } | null,
    onDisplay: (nowMs: number) => void,
  ): void {
    this.#drawnAtMs = this.#options.nowMs();
    this.#onFrame = onDisplay;
    this.#request();
    if (frame === null) return;
    this.#lead.addFrame(frame.sampledAtMs, frame.drawnAtMs);
    const said = this.#said;
    if (!frame.locked || said === null) return;
    this.#lead.judge(frame.sampledAtMs, frame.drawnAtMs, said.leadMs, said);
  }

  /** To be called about ten times a second. */
  tick(nowMs: number): void {
    if (nowMs - this.#saidAtMs < SAY_MS) return;
    if (!this.#phaseLock) {
      if (this.#farewells === 0) return;
      this.#farewells--;
      this.#saidAtMs = nowMs;
      return this.#options.say({ phaseMs: 0, periodMs: 0, leadMs: 0 });
    }
    // The server goes on by what it was told last; the next picture brings it up to date.
    if (nowMs - this.#drawnAtMs > IDLE_MS) return;
    const said = this.#inServerTime(this.#display.times, nowMs);
    if (said === null) return;
    this.#said = said;
    this.#saidAtMs = nowMs;
    this.#options.say(said);
  }

  #inServerTime(times: DisplayTimes | null, nowMs: number): Display | null {
    const phaseMs = times && this.#options.clock.serverMsAt(times.phaseMs);
    const serverNowMs = this.#options.clock.serverMsAt(nowMs);
    const leadMs = serverNowMs && this.#lead.leadMs(serverNowMs);
    if (times === null || phaseMs === null || phaseMs < 0 || leadMs === null) return null;
    return { phaseMs, periodMs: times.periodMs, leadMs };
  }

  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#options.requestFrame((stampMs) => {
      this.#requested = false;
      const nowMs = this.#options.nowMs();
      this.#display.addFrame(stampMs);
      this.#onFrame?.(nowMs);
      this.#onFrame = null;
      if (nowMs - this.#drawnAtMs < IDLE_MS) this.#request();
    });
  }
}
