/** The journals of all agents: who hears what the ingest process says of which. */

import type { JournalAnswer } from "../durable/feed.ts";
import type { JournalLane } from "../durable/lane.ts";
import { type JournalOptions, RunJournal } from "./journal.ts";

export class Journals {
  readonly #options: Omit<JournalOptions, "runId" | "send">;
  readonly #lane: JournalLane;
  readonly #byRun = new Map<string, RunJournal>();

  constructor(lane: JournalLane, options: Omit<JournalOptions, "runId" | "send">) {
    this.#lane = lane;
    this.#options = options;
    lane.listen({
      onJournal: (answer: JournalAnswer) => this.#byRun.get(answer.runId)?.onAnswer(answer),
      onReady: () => this.#byRun.forEach((journal) => journal.onReady()),
    });
  }

  /** That of a run; the same one again. */
  of(runId: string): RunJournal {
    const known = this.#byRun.get(runId);
    if (known !== undefined) return known;
    const send: JournalOptions["send"] = (message) => this.#lane.journal(message);
    const journal = new RunJournal({ ...this.#options, runId, send });
    this.#byRun.set(runId, journal);
    return journal;
  }

  /** Resolves when all that was said so far is stored. */
  async written(): Promise<void> {
    await Promise.all([...this.#byRun.values()].map((journal) => journal.written));
  }

  /** Lines that nobody will ever read. */
  *linesDropped(): Generator<[runId: string, lines: number]> {
    for (const [runId, { linesDropped }] of this.#byRun) yield [runId, linesDropped];
  }
}
