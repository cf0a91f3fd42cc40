/** The page's end of the viewer worker: its state as signals, its commands as methods. */

import { computed, signal } from "@preact/signals";
import type {
  CommandName,
  Commits,
  Durable,
  InputEvent,
  LaneKind,
  Reply,
  Route,
  RunSummary,
} from "../proto/wire.ts";
import type {
  OpenViewer,
  PageMessage,
  StreamSettings,
  ViewerStatus,
  WorkerMessage,
} from "../viewer/messages.ts";
import type { OverlaySettings, RendererKind } from "../viewer/renderer.ts";
import type { TransportKind } from "../viewer/transport.ts";

const WORKER_URL = "/assets/worker.js";
/** A command that the server does not answer: the session was lost under it. */
const REPLY_MS_MAX = 5_000;

export interface SavedPicture {
  png: Uint8Array<ArrayBuffer>;
  frame: number;
}

/** What the page's address forces; null where it says nothing. */
export interface ForcedByAddress {
  transport: TransportKind | null;
  renderer: RendererKind | null;
  lane: LaneKind | null;
  phaseLock: boolean | null;
  /** Frames a second at most; 0 = as many as come. */
  fpsMax: number | null;
}

/** The server takes no more. */
const FPS_MAX = 1_000;

/** Reads `?transport=`, `?renderer=`, `?lane=`, `?phase-lock=` and `?fps=`. */
export function forcedByAddress(search: string): ForcedByAddress {
  const query = new URLSearchParams(search);
  const oneOf = <Name extends string>(value: string | null, names: readonly Name[]) =>
    names.find((name) => name === value) ?? null;
  const phaseLock = oneOf(query.get("phase-lock"), ["on", "off"] as const);
  const fps = query.get("fps") ?? "";
  return {
    transport: oneOf(query.get("transport"), ["webtransport", "websocket"] as const),
    renderer: oneOf(query.get("renderer"), ["webgl", "2d"] as const),
    lane: oneOf(query.get("lane"), ["raw", "h264", "jpeg"] as const),
    phaseLock: phaseLock && phaseLock === "on",
    fpsMax: /^\d+$/.test(fps) ? Math.min(FPS_MAX, Number(fps)) : null,
  };
}

export class ViewerClient {
  readonly #worker = new Worker(WORKER_URL, { type: "module" });
  readonly #replies = new Map<number, (reply: Reply) => void>();
  readonly #saves = new Map<number, PromiseWithResolvers<SavedPicture>>();
  #lastId = 0;
  readonly status = signal<ViewerStatus | null>(null);
  /** null until the server has told. */
  readonly runs = signal<RunSummary[] | null>(null);
  /** State of the durable lane; null until the server has told, and of one that has none. */
  readonly durable = signal<Durable | null>(null);
  /** Sessions opened so far. */
  readonly sessions = computed(() => this.status.value?.connection.sessions ?? 0);
  /** Changes when stored runs have. */
  readonly runsVersion = computed(() => this.durable.value?.runsVersion ?? 0);
  /** Called for each message about the run that is followed. */
  onCommits: (commits: Commits) => void = () => {};
  /** The worker could not begin: nothing will come. */
  readonly failure = signal<string | null>(null);

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      // A worker that has begun survives an error, and its next status shows how it is.
      if (this.status.peek() === null) this.failure.value = event.message || "it was not loaded";
    };
    document.addEventListener("visibilitychange", () => this.#postVisibility());
    // The network is back: no need to wait for the next attempt.
    globalThis.addEventListener("online", () => this.connect());
  }

  /** Starts the worker; `picture` watches a run on a canvas, which the worker owns from then on. */
  open(picture: OpenViewer["picture"]): void {
    const forced = forcedByAddress(location.search);
    const message: OpenViewer = {
      kind: "open",
      origin: location.origin,
      forcedTransport: forced.transport,
      picture,
    };
    this.#post(message, picture === null ? [] : [picture.canvas]);
    this.#postVisibility();
  }

  setStream(settings: StreamSettings): void {
    this.#post({ kind: "settings", settings });
  }

  setOverlay(overlay: OverlaySettings): void {
    this.#post({ kind: "overlay", overlay });
  }

  /** Tries to connect now, if the session is not open. */
  connect(): void {
    this.#post({ kind: "connect" });
  }

  /** Asks for the commits of a run. They come to {@link onCommits} from the next session on too. */
  follow(run: string): void {
    this.#post({ kind: "follow", run });
  }

  /** Which way the pictures of a run shall come. */
  setRoute(route: Route): void {
    this.#post({ kind: "route", route });
  }

  sendInput(events: InputEvent[]): void {
    this.#post({ kind: "input", events });
  }

  /** Resolves with the server's answer; never rejects. */
  command(command: CommandName): Promise<Reply> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const answer = (reply: Reply) => {
        clearTimeout(timer);
        this.#replies.delete(id);
        resolve(reply);
      };
      const timer = setTimeout(
        () => answer({ id, ok: false, error: "the server did not answer" }),
        REPLY_MS_MAX,
      );
      this.#replies.set(id, answer);
      this.#post({ kind: "command", id, command });
    });
  }

  /** The frame on the screen as a PNG. Rejects when there is none. */
  save(withOverlay: boolean): Promise<SavedPicture> {
    const id = ++this.#lastId;
    const saved = Promise.withResolvers<SavedPicture>();
    this.#saves.set(id, saved);
    this.#post({ kind: "save", id, withOverlay });
    return saved.promise;
  }

  #post(message: PageMessage, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #postVisibility(): void {
    this.#post({ kind: "visible", visible: document.visibilityState === "visible" });
  }

  #receive(message: WorkerMessage): void {
    switch (message.kind) {
      case "status":
        this.status.value = message.status;
        break;
      case "runs":
        this.runs.value = message.runs;
        break;
      case "durable":
        this.durable.value = message.durable;
        break;
      case "commits":
        this.onCommits(message.commits);
        break;
      case "reply":
        this.#replies.get(message.reply.id)?.(message.reply);
        break;
      case "saved":
        this.#saves.get(message.id)?.resolve({ png: message.png, frame: message.frame });
        this.#saves.delete(message.id);
        break;
      case "save-failed":
        this.#saves.get(message.id)?.reject(new Error(message.reason));
        this.#saves.delete(message.id);
        break;
    }
  }
}
