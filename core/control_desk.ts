/** Who may touch a run, and what its worker was told. */

import type { CommandName } from "../proto/wire.ts";
import { type Attachment, RingCommand } from "./attachment.ts";
import { Receipts } from "./receipts.ts";
import type { Subscription } from "./subscription.ts";

export interface ViewerCommand {
  command: CommandName;
  /** For `worker`: its own code, from 256. */
  code?: number;
  /** For `worker`. */
  value?: number;
}

/** A command that cannot be carried out; its message is for the viewer. */
export class CommandError extends Error {
  override name = "CommandError";
}

/** Called once, when a command is done; `taken` is of commands that are events of the worker's (see Reply). */
export type CommandDone = (taken?: boolean) => void;

/** Input comes from one viewer at a time; commands from any that may give them. */
export class ControlDesk {
  readonly #runId: string;
  readonly #onChange: () => void;
  readonly #receipts: Receipts;
  #attachment: Attachment | null = null;
  #owner: Subscription | null = null;
  #paused = false;
  /** To be asked for again as soon as that can be. */
  #pauseIsDue = false;

  constructor(runId: string, nowMs: () => number, onChange: () => void) {
    this.#runId = runId;
    this.#receipts = new Receipts(nowMs);
    this.#onChange = onChange;
  }

  /**
   * Another segment is attached, or none. A pause ends with the run that it was for; it is asked for again where the same
   * worker's pictures come another way now.
   */
  follow(attachment: Attachment | null, sameWorker = false): void {
    this.#receipts.giveUp();
    this.#attachment = attachment;
    this.#pauseIsDue = sameWorker && (this.#paused || this.#pauseIsDue);
    this.#paused = false;
    this.#repeatPause();
  }

  /** Whoever steered the worker until now may have to let go of it first. */
  #repeatPause(): void {
    const attachment = this.#attachment;
    if (!this.#pauseIsDue || attachment === null || attachment.controller === null) return;
    this.#setPaused(attachment, true);
  }

  /** false: another program is the run's controller, or the run is not attached. */
  get controllable(): boolean {
    return this.#attachment !== null && this.#attachment.controller !== null;
  }

  /** This server asks the worker to pause. */
  get paused(): boolean {
    return this.#paused;
  }

  /** That, or it is to be asked as soon as it can be. */
  get holdsPause(): boolean {
    return this.#paused || this.#pauseIsDue;
  }

  /** The viewer that has control. */
  get owner(): Subscription | null {
    return this.#owner;
  }

  ownerFor(subscription: Subscription): "you" | "other" | "none" {
    if (this.#owner === null) return "none";
    return this.#owner === subscription ? "you" : "other";
  }

  /**
   * Events of the viewer that has control; others' are passed over, since control may just have changed. Returns how
   * many the ring had no room for.
   */
  input(subscription: Subscription, events: Uint8Array<ArrayBuffer>): number {
    if (this.#owner !== subscription) return 0;
    return this.#attachment?.sendInputs(events) ?? 0;
  }

  /** A viewer goes: keys that it held are released. */
  leave(subscription: Subscription): void {
    if (this.#owner === subscription) this.#setOwner(null);
  }

  /**
   * Carries a command out. Throws {@link CommandError} when it cannot be. `done` is called at once, but for an event of
   * the worker's: then when the worker has taken it, or is late.
   */
  command(
    subscription: Subscription,
    { command, code, value }: ViewerCommand,
    done: CommandDone,
  ): void {
    if (command === "release-control") {
      this.leave(subscription);
      return done();
    }
    const attachment = this.#attachment;
    if (attachment === null) throw new CommandError(`"${this.#runId}" is not running`);
    if (attachment.controller === null) {
      throw new CommandError(`"${this.#runId}": ${attachment.whyUncontrolled}`);
    }
    switch (command) {
      case "step":
        return this.#sendCommand(attachment, RingCommand.Step, 0, done);
      case "worker":
        return this.#sendCommand(attachment, code!, value ?? 0, done);
      case "pause":
      case "resume":
        this.#setPaused(attachment, command === "pause");
        break;
      case "take-control":
        this.#setOwner(subscription);
    }
    done();
  }

  #sendCommand(attachment: Attachment, code: number, value: number, done: CommandDone): void {
    if (!attachment.sendCommand(code, value)) {
      throw new CommandError(`"${this.#runId}" takes no input: its ring is full of it`);
    }
    this.#receipts.expect(attachment.controller!.inputs().written, done);
  }

  /** Asks the ring what the worker has taken, if anybody waits for that. To be called about ten times a second. */
  settle(): void {
    this.#repeatPause();
    const controller = this.#attachment?.controller ?? null;
    if (controller !== null && this.#receipts.any) {
      this.#receipts.settle(controller.inputs().taken);
    }
  }

  /** The word in the ring holds the worker; the event tells one that looks at its input only. */
  #setPaused(attachment: Attachment, paused: boolean): void {
    attachment.controller!.setPause(paused);
    attachment.sendCommand(paused ? RingCommand.Pause : RingCommand.Resume);
    this.#paused = paused;
    this.#pauseIsDue = false;
    this.#onChange();
  }

  #setOwner(subscription: Subscription | null): void {
    if (this.#owner === subscription) return;
    const hadOwner = this.#owner !== null;
    // First: a ring that fails here must not leave the run to a viewer that is gone.
    this.#owner = subscription;
    if (hadOwner) this.#attachment?.sendReleaseAll();
    this.#onChange();
  }
}
