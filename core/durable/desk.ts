/**
 * What viewers hear of the durable lane: its state and the routes of pictures, and what was committed of the run that
 * each of them follows. Commits are gathered for each run and encoded once for all who follow it.
 */

import { type Durable, encodeJson, MessageType } from "../../proto/wire.ts";
import { guarded } from "../guard.ts";
import type { RowKind, SampleColumns } from "../storage/records.ts";
import type { Transport } from "../transport.ts";
import type { RoutePreference } from "./feed.ts";
import { GatheredCommits } from "./gathered_commits.ts";
import type { DurableLane, DurableListener } from "./lane.ts";

/** A viewer is told at most ten times a second. */
const SETTLE_MS = 100;
/** A viewer that has so many bytes unread is told nothing until it has caught up: it reads the rows then. */
const BACKLOG_BYTES_MAX = 64 * 1024;

interface Viewer {
  followedRun: string | null;
  /** Commits were left out for this viewer alone. */
  missed: boolean;
  /** Of the Durable message that it has; 0: none. */
  durableVersion: number;
}

export class CommitsDesk implements DurableListener {
  readonly #lane: DurableLane;
  readonly #viewers = new Map<Transport, Viewer>();
  /** By run; only what somebody follows. */
  readonly #gathered = new Map<string, GatheredCommits>();
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #durableText = "";
  #durableMessage: Uint8Array<ArrayBuffer> = new Uint8Array();
  #durableVersion = 0;
  #followedRuns: ReadonlySet<string> = new Set();
  #runsVersion = 0;
  #runsChanged = false;

  constructor(lane: DurableLane) {
    this.#lane = lane;
    lane.listen(this);
    this.#describeLane();
  }

  /** A viewer was greeted: tells it the lane's state. */
  join(transport: Transport): void {
    const viewer: Viewer = { followedRun: null, missed: false, durableVersion: 0 };
    this.#viewers.set(transport, viewer);
    this.#sendDurable(transport, viewer);
    if (this.#runsChanged) this.#settleSoon();
  }

  leave(transport: Transport): void {
    const viewer = this.#viewers.get(transport);
    this.#viewers.delete(transport);
    if (viewer?.followedRun != null) this.#follow();
    if (this.#viewers.size === 0) this.#stopTimer();
  }

  /** null: none. */
  follow(transport: Transport, runId: string | null): void {
    const viewer = this.#viewers.get(transport);
    if (viewer === undefined || viewer.followedRun === runId) return;
    viewer.followedRun = runId;
    viewer.missed = false;
    this.#follow();
  }

  preferRoute(runId: string, prefer: RoutePreference): void {
    this.#lane.preferRoute(runId, prefer);
  }

  onRoute(): void {
    this.#tellDurable();
  }

  onState(): void {
    this.#tellDurable();
  }

  onWorkers(): void {
    this.#tellDurable();
  }

  /** Many runs may end together: that is told once. */
  onRuns(): void {
    this.#runsChanged = true;
    if (this.#viewers.size > 0) this.#settleSoon();
  }

  onCommits(
    runId: string,
    rows: Partial<Record<RowKind, number>>,
    samples: SampleColumns | null,
  ): void {
    this.#gather(runId)?.add(rows, samples);
  }

  onMissed(runId: string): void {
    const gathered = this.#gather(runId);
    if (gathered !== null) gathered.missed = true;
  }

  #gather(runId: string): GatheredCommits | null {
    // What comes after the last viewer has gone is of nobody's interest.
    if (!this.#followedRuns.has(runId)) return null;
    let gathered = this.#gathered.get(runId);
    if (gathered === undefined) {
      gathered = new GatheredCommits(runId);
      this.#gathered.set(runId, gathered);
    }
    this.#settleSoon();
    return gathered;
  }

  #follow(): void {
    const followed = new Set<string>();
    for (const { followedRun } of this.#viewers.values()) {
      if (followedRun !== null) followed.add(followedRun);
    }
    for (const runId of this.#gathered.keys()) {
      if (!followed.has(runId)) this.#gathered.delete(runId);
    }
    if (followed.symmetricDifference(this.#followedRuns).size === 0) return;
    this.#followedRuns = followed;
    this.#lane.setFollowed(followed);
  }

  #describeLane(): void {
    const durable: Durable = {
      ...this.#lane.state,
      runsVersion: this.#runsVersion,
      routes: this.#lane.workers.filter(({ hasPictures }) => hasPictures).map((
        { runId, ringVisible, publishesFrames },
      ) => ({
        run: runId,
        ringVisible,
        publishesFrames,
        prefer: this.#lane.routeOf(runId),
      })),
    };
    const text = JSON.stringify(durable);
    if (text === this.#durableText) return;
    this.#durableText = text;
    this.#durableMessage = encodeJson(MessageType.Durable, 0, durable);
    this.#durableVersion++;
  }

  #tellDurable(): void {
    this.#describeLane();
    for (const [transport, viewer] of this.#viewers) this.#sendDurable(transport, viewer);
  }

  #sendDurable(transport: Transport, viewer: Viewer): void {
    if (viewer.durableVersion === this.#durableVersion) return;
    if (transport.bytesPending > BACKLOG_BYTES_MAX) return this.#settleSoon();
    viewer.durableVersion = this.#durableVersion;
    transport.send(this.#durableMessage);
  }

  #settleSoon(): void {
    this.#settleTimer ??= setTimeout(() => {
      this.#settleTimer = undefined;
      guarded("telling viewers of commits", () => this.#settle());
    }, SETTLE_MS);
  }

  #stopTimer(): void {
    clearTimeout(this.#settleTimer);
    this.#settleTimer = undefined;
  }

  #settle(): void {
    if (this.#runsChanged) {
      this.#runsChanged = false;
      this.#runsVersion++;
      this.#describeLane();
    }
    for (const [transport, viewer] of this.#viewers) {
      this.#sendDurable(transport, viewer);
      const gathered = this.#gathered.get(viewer.followedRun ?? "");
      if (gathered === undefined && !viewer.missed) continue;
      if (transport.bytesPending > BACKLOG_BYTES_MAX) {
        viewer.missed = true;
        this.#settleSoon();
        continue;
      }
      const commits = gathered ?? new GatheredCommits(viewer.followedRun!);
      transport.send(commits.message(viewer.missed));
      viewer.missed = false;
    }
    this.#gathered.clear();
  }
}
