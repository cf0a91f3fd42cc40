/** All control streams: who is there, whose ring is seen here, and whose pictures shall come by gRPC. */

import * as grpc from "@grpc/grpc-js";
import type { RemoteWorker, RoutePreference } from "../core/durable/feed.ts";
import type { ControlSession, CreditsOffer } from "./control_session.ts";
import { GrpcError } from "./grpc_service.ts";
import type { RingSight } from "./ring_sight.ts";

/** Streams of one run: as many as processes of one training may log to it. */
const SESSIONS_OF_RUN_MAX = 256;

/** Pictures that come by gRPC now; see RemoteFrames. */
export interface RemotePictures {
  /** The segment that this stream's pictures are published in; null: none. */
  segmentOf(runId: string, streamId: string): string | null;
  /** Somebody came or went, or somebody watches or does not any more. */
  review(): void;
}

export interface ControlHubOptions {
  makeSight: (runId: string) => RingSight;
  onWorkers: (workers: RemoteWorker[]) => void;
}

interface Entry {
  session: ControlSession;
  sight: RingSight;
  ringVisible: boolean;
}

export class ControlHub {
  readonly #options: ControlHubOptions;
  /** By run, then by stream. */
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #preferences = new Map<string, RoutePreference>();
  #pictures: RemotePictures | null = null;
  #watched: ReadonlySet<string> = new Set();
  #credits: CreditsOffer | null = null;
  #workersText = "[]";

  constructor(options: ControlHubOptions) {
    this.#options = options;
  }

  set pictures(pictures: RemotePictures) {
    this.#pictures = pictures;
  }

  /** A worker said hello; one of the same stream is its predecessor, whose connection was lost. */
  join(session: ControlSession): void {
    const { runId, streamId } = session;
    const streams = this.#entries.get(runId) ?? new Map<string, Entry>();
    const before = streams.get(streamId);
    if (before === undefined && streams.size >= SESSIONS_OF_RUN_MAX) {
      throw new GrpcError(
        grpc.status.RESOURCE_EXHAUSTED,
        `run "${runId}" has ${SESSIONS_OF_RUN_MAX} workers already`,
      );
    }
    before?.session.fail(
      new GrpcError(grpc.status.ABORTED, "the same client has opened another control stream"),
    );
    const sight = this.#options.makeSight(runId);
    const entry = { session, sight, ringVisible: sight.sees(session.ring) };
    streams.set(streamId, entry);
    this.#entries.set(runId, streams);
    if (this.#credits !== null) session.offerCredits(this.#credits);
    this.#settle();
  }

  leave(session: ControlSession): void {
    const streams = this.#entries.get(session.runId);
    if (streams?.get(session.streamId)?.session !== session) return;
    streams.delete(session.streamId);
    if (streams.size === 0) this.#entries.delete(session.runId);
    this.#settle();
  }

  /** The control stream of this worker; null without one. */
  session(runId: string, streamId: string): ControlSession | null {
    return this.#entries.get(runId)?.get(streamId)?.session ?? null;
  }

  /** A worker that is there, and whose ring cannot be seen: its pictures come by gRPC or not at all. */
  isRemote(runId: string, streamId: string): boolean {
    return this.#entries.get(runId)?.get(streamId)?.ringVisible === false;
  }

  isWatched(runId: string): boolean {
    return this.#watched.has(runId);
  }

  /** The worker's segment has come, gone or been replaced. */
  onRing(session: ControlSession): void {
    this.#look(session.runId, session.streamId);
    this.#settle();
  }

  setWatched(runIds: readonly string[]): void {
    this.#watched = new Set(runIds);
    this.#settle();
  }

  prefer(runId: string, route: RoutePreference): void {
    if (route === "auto") this.#preferences.delete(runId);
    else this.#preferences.set(runId, route);
    this.#settle();
  }

  /** To all, now and when they come. */
  offerCredits(credits: CreditsOffer): void {
    this.#credits = credits;
    for (const { session } of this.#all()) session.offerCredits(credits);
  }

  /** `done` is called once. */
  command(
    runId: string,
    name: string,
    argsJson: string,
    done: (ok: boolean, resultJson: string) => void,
  ): void {
    const entries = [...this.#entries.get(runId)?.values() ?? []];
    if (entries.length === 0) {
      return done(false, `run "${runId}" has no worker connected`);
    }
    const answering = entries.find(({ session }) => session.commands.includes(name));
    if (answering !== undefined) return answering.session.command(name, argsJson, done);
    const known = entries.flatMap(({ session }) => session.commands);
    const what = known.length === 0 ? "no commands" : `only ${[...new Set(known)].join(", ")}`;
    done(false, `run "${runId}" answers ${what}`);
  }

  /** Ends every control stream. */
  failAll(error: GrpcError): void {
    for (const { session } of this.#all()) session.fail(error);
  }

  /** Once a second: rings may have come or gone without a word, and so may have pictures. */
  onSecond(): void {
    for (const { session } of this.#all()) this.#look(session.runId, session.streamId);
    this.#settle();
  }

  #look(runId: string, streamId: string): void {
    const entry = this.#entries.get(runId)?.get(streamId);
    if (entry !== undefined) entry.ringVisible = entry.sight.sees(entry.session.ring);
  }

  /** Says to each worker whether its pictures are wanted here, and to `serve` who is there. */
  #settle(): void {
    for (const [runId, streams] of this.#entries) {
      const ringVisible = streams.values().some((entry) => entry.ringVisible);
      const [publish, reason] = this.#route(runId, ringVisible);
      for (const { session } of streams.values()) session.route(publish, reason);
    }
    this.#pictures?.review();
    this.#tellWorkers();
  }

  /** A preference is for what there is: without a ring that is seen there are only pictures by gRPC. */
  #route(runId: string, ringVisible: boolean): [publishFrames: boolean, reason: string] {
    if (!this.#watched.has(runId)) return [false, "nobody watches"];
    if (!ringVisible) return [true, "the server does not see the ring"];
    const preferred = this.#preferences.get(runId) === "grpc";
    return preferred ? [true, "preferred in the viewer"] : [false, "the server sees the ring"];
  }

  #tellWorkers(): void {
    const workers = this.#all().map(({ session, ringVisible }): RemoteWorker => {
      const { runId, streamId, ring, connectedAtMs, publishes, commands } = session;
      const segment = this.#pictures?.segmentOf(runId, streamId) ?? null;
      return {
        runId,
        connectedAtMs,
        hasPictures: segment !== null || (ring?.inode ?? 0n) !== 0n,
        ringVisible,
        publishesFrames: publishes,
        segment,
        commands: [...commands],
      };
    });
    const text = JSON.stringify(workers);
    if (text === this.#workersText) return;
    this.#workersText = text;
    this.#options.onWorkers(workers);
  }

  #all(): Entry[] {
    return [...this.#entries.values()].flatMap((streams) => [...streams.values()]);
  }
}
