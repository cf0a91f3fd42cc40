/** State of the run page beside what the worker reports: knobs, what is open, and what the person asks for. */

import { computed, signal } from "@preact/signals";
import type { CommandName } from "../proto/wire.ts";
import type { StreamSettings } from "../viewer/messages.ts";
import { downloadPng } from "./download.ts";
import { readPreferences, savePreferences } from "./preferences.ts";
import { forcedByAddress, ViewerClient } from "./viewer_client.ts";

const MESSAGE_MS = 4_000;

export class RunModel {
  readonly run: string;
  readonly client = new ViewerClient();
  readonly stream = signal<StreamSettings>({
    fpsMax: 0,
    everyNth: 1,
    stayLive: true,
    lane: "auto",
    latencyMs: 0,
    phaseLock: true,
  });
  readonly overlay = signal({ visible: true, opacity: 0.5 });
  readonly overlayInSavedPng = signal(false);
  readonly hudVisible = signal(true);
  readonly helpOpen = signal(false);
  readonly latencyOpen = signal(false);
  /** A short word on what has just happened: a refused command, a saved picture. */
  readonly message = signal<string | null>(null);
  #messageTimer: ReturnType<typeof setTimeout> | undefined;

  readonly connection = computed(() => this.client.status.value?.connection ?? null);
  readonly state = computed(() => this.client.status.value?.stream ?? null);
  readonly connected = computed(() => this.connection.value?.phase === "open");
  readonly paused = computed(() => this.state.value?.paused ?? false);
  readonly inControl = computed(() => this.connected.value && this.state.value?.control === "you");
  /** Why commands cannot be given now, or null when they can. */
  readonly locked = computed(() => {
    if (!this.connected.value) return "Not connected";
    if (this.connection.value?.access === "view") return "This address may watch only";
    if (this.state.value?.phase !== "live") return "The run is not live";
    if (!this.state.value.controllable) return "Another program controls this run";
    return null;
  });

  constructor(run: string) {
    this.run = run;
    const preferences = readPreferences();
    this.hudVisible.value = preferences.hudVisible;
    const forced = forcedByAddress(location.search);
    this.stream.value = {
      ...this.stream.value,
      // These depend on the run and on the way to it, so that only the address remembers them.
      lane: forced.lane ?? "auto",
      fpsMax: forced.fpsMax ?? 0,
      latencyMs: preferences.latencyMs,
      phaseLock: forced.phaseLock ?? preferences.phaseLock,
    };
    this.overlay.value = {
      visible: preferences.overlayVisible,
      opacity: preferences.overlayOpacity,
    };
    this.overlayInSavedPng.value = preferences.overlayInSavedPng;
  }

  setStream(change: Partial<StreamSettings>): void {
    this.stream.value = { ...this.stream.value, ...change };
    this.client.setStream(this.stream.value);
    // Only what was set by hand is remembered, and not what the address forces.
    const { latencyMs, phaseLock } = change;
    if (latencyMs !== undefined) savePreferences({ latencyMs });
    if (phaseLock !== undefined) savePreferences({ phaseLock });
  }

  setOverlay(change: Partial<{ visible: boolean; opacity: number }>): void {
    this.overlay.value = { ...this.overlay.value, ...change };
    this.client.setOverlay(this.overlay.value);
    const { visible, opacity } = this.overlay.value;
    savePreferences({ overlayVisible: visible, overlayOpacity: opacity });
  }

  setOverlayInSavedPng(included: boolean): void {
    this.overlayInSavedPng.value = included;
    savePreferences({ overlayInSavedPng: included });
  }

  toggleHud(): void {
    this.hudVisible.value = !this.hudVisible.value;
    savePreferences({ hudVisible: this.hudVisible.value });
  }

  togglePause(): void {
    this.#command(this.paused.value ? "resume" : "pause");
  }

  /** Lets a paused run take one step; pauses a running one first. */
  step(): void {
    this.#command("step");
  }

  toggleControl(): void {
    this.#command(this.inControl.value ? "release-control" : "take-control");
  }

  async save(): Promise<void> {
    try {
      const { png, frame } = await this.client.save(this.overlayInSavedPng.value);
      const fileName = `${this.run}-${frame}.png`;
      downloadPng(png, fileName);
      this.say(`Saved ${fileName}`);
    } catch (error) {
      this.say(`Cannot save: ${(error as Error).message}`);
    }
  }

  say(message: string): void {
    clearTimeout(this.#messageTimer);
    this.message.value = message;
    this.#messageTimer = setTimeout(() => this.message.value = null, MESSAGE_MS);
  }

  async #command(command: CommandName): Promise<void> {
    if (this.locked.value !== null) return this.say(this.locked.value);
    const reply = await this.client.command(command);
    if (!reply.ok) this.say(`Cannot ${command.replace("-", " ")}: ${reply.error}`);
    else if (reply.taken === false) this.say("The worker has not taken it yet");
  }
}
