/** Who may touch a run, and what its worker was told. */

import type { CommandName } from "../proto/wire.ts";
import { type Attachment, RingCommand } from "./attachment.ts";
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

/** Input comes from one viewer at a time; commands from any that may give them. */
export class ControlDesk {
  readonly #runId: string;
  readonly #onChange: () => void;
  #attachment: Attachment | null = null;
  #owner: Subscription | null = null;
  #paused = false;

  constructor(runId: string, onChange: () => void) {
    this.#runId = runId;
    this.#onChange = onChange;
  }

  /** Another segment is attached, or none; a pause ends with the segment that it was for. */
  follow(attachment: Attachment | null): void {
    this.#attachment = attachment;
    this.#paused = false;
  }

  /** false: another program is the run's controller, or the run is not attached. */
  get controllable(): boolean {
    return this.#attachment !== null && this.#attachment.controller !== null;
  }

  /** This server asks the worker to pause. */
  get paused(): boolean {
    return this.#paused;
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

  /** Carries a command out. Throws {@link CommandError} when it cannot be. */
  command(subscription: Subscription, { command, code, value }: ViewerCommand): void {
    if (command === "release-control") return this.leave(subscription);
    const attachment = this.#attachment;
    if (attachment === null) throw new CommandError(`"${this.#runId}" is not running`);
    if (attachment.controller === null) {
      throw new CommandError(`"${this.#runId}": ${attachment.whyUncontrolled}`);
    }
    switch (command) {
      case "pause":
        return this.#setPaused(attachment, true);
      case "resume":
        return this.#setPaused(attachment, false);
      case "step":
        return attachment.sendCommand(RingCommand.Step);
      case "take-control":
        return this.#setOwner(subscription);
      case "worker":
        return attachment.sendCommand(code!, value ?? 0);
    }
  }

  /** The word in the ring holds the worker; the event tells one that looks at its input only. */
  #setPaused(attachment: Attachment, paused: boolean): void {
    attachment.controller!.setPause(paused);
    attachment.sendCommand(paused ? RingCommand.Pause : RingCommand.Resume);
    this.#paused = paused;
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
