import assert from "node:assert/strict";
import { Journals } from "../../core/agents/journals.ts";
import type { JournalAnswer, JournalMessage } from "../../core/durable/feed.ts";
import type { DurableListener, JournalLane } from "../../core/durable/lane.ts";
import { ClockDouble } from "../harness/agent_double.ts";

/** An ingest process that stores what it is told, as one row a line. */
class LaneDouble implements JournalLane {
  readonly asked: JournalMessage[] = [];
  readonly stored: string[] = [];
  readonly #listeners: Parameters<JournalLane["listen"]>[0][] = [];

  journal(message: JournalMessage): void {
    this.asked.push(message);
  }

  listen(listener: Pick<DurableListener, "onJournal" | "onReady">): void {
    this.#listeners.push(listener);
  }

  get last(): JournalMessage {
    return this.asked.at(-1)!;
  }

  answer(outcome: JournalAnswer["outcome"], committed = 0n): void {
    const { runId, streamId } = this.last;
    for (const listener of this.#listeners) {
      listener.onJournal?.({ type: "journal", runId, streamId, outcome, committed });
    }
  }

  /** Stores the lines of the last message and says so. */
  store(): void {
    const { last } = this;
    assert.equal(last.type, "journal-lines");
    if (last.type !== "journal-lines") return;
    this.stored.push(...last.lines.map(({ text }) => text));
    this.answer("committed", last.firstSequence + BigInt(last.lines.length) - 1n);
  }

  /** Another process. */
  restart(): void {
    for (const listener of this.#listeners) listener.onReady?.();
  }
}

function bench() {
  const lane = new LaneDouble();
  const clock = new ClockDouble();
  const journals = new Journals(lane, { clock });
  return { lane, clock, journals, journal: journals.of("a") };
}

Deno.test("journal: a run is opened, its lines are told one message at a time, and it is closed", async () => {
  const { lane, journal, journals } = bench();
  journal.begin({ command: ["sim"] });
  assert.equal(lane.last.type, "journal-open");
  journal.line("stdout", "one");
  journal.line("stderr", "two");
  assert.equal(lane.asked.length, 1, "the answer is waited for");
  lane.answer("opened");
  journal.line("stdout", "three");
  assert.equal(lane.asked.length, 2);
  lane.store();
  lane.store();
  assert.deepEqual(lane.stored, ["one", "two", "three"]);
  journal.end("failed", "it fell");
  assert.partialDeepStrictEqual(lane.last, { type: "journal-close", reason: "it fell" });
  let written = false;
  const waiting = journals.written().then(() => written = true);
  await Promise.resolve();
  assert.equal(written, false);
  lane.answer("closed");
  await waiting;
  journal.line("stdout", "after its end");
  assert.equal(lane.asked.length, 4, "nobody says anything after the end");
});

Deno.test("journal: what was not said to be stored is told to the next process, and nothing twice", () => {
  const { lane, journal } = bench();
  journal.begin({ command: ["sim"] });
  lane.answer("opened");
  journal.line("stdout", "one");
  lane.store();
  journal.line("stdout", "two");
  journal.line("stdout", "three");
  // "two" was on its way, and was stored; the answer was lost.
  lane.restart();
  assert.partialDeepStrictEqual(lane.last, { type: "journal-open", metadataJson: "" });
  lane.answer("opened", 2n);
  assert.partialDeepStrictEqual(lane.last, { type: "journal-lines", firstSequence: 3n });
  lane.store();
  assert.deepEqual(lane.stored, ["one", "three"]);
});

Deno.test("journal: where nothing can be stored it is tried again, and a dead process's answer is none", async () => {
  const { lane, clock, journal } = bench();
  journal.begin({});
  lane.answer("failed");
  assert.equal(lane.asked.length, 1);
  await clock.pass(1000);
  assert.equal(lane.asked.length, 2);
  lane.answer("failed");
  lane.restart();
  assert.equal(lane.asked.length, 3);
  await clock.pass(5000);
  assert.equal(lane.asked.length, 3, "asked once");
  lane.answer("opened");
  journal.line("stdout", "x");
  assert.equal(lane.last.type, "journal-lines");
});

Deno.test("journal: a run that was deleted under its agent is made anew", async () => {
  const { lane, clock, journal } = bench();
  journal.begin({ command: ["sim"] });
  lane.answer("opened");
  journal.line("stdout", "one");
  const { streamId } = lane.last;
  lane.answer("gone");
  await clock.pass(1000);
  assert.equal(lane.last.type, "journal-open");
  assert.notEqual(lane.last.streamId, streamId);
  assert.partialDeepStrictEqual(lane.last, { metadataJson: '{"command":["sim"]}' });
  lane.answer("opened");
  assert.partialDeepStrictEqual(lane.last, { type: "journal-lines", firstSequence: 1n });
});

Deno.test("journal: a start after the end is a stream of its own, told after the one before", () => {
  const { lane, journal } = bench();
  journal.begin({});
  journal.line("stdout", "one");
  journal.end("finished", "");
  journal.begin({});
  journal.line("stdout", "two");
  lane.answer("opened");
  lane.store();
  const { streamId } = lane.last;
  assert.partialDeepStrictEqual(lane.last, { type: "journal-close" });
  lane.answer("closed");
  assert.partialDeepStrictEqual(lane.last, { type: "journal-open" });
  assert.notEqual(lane.last.streamId, streamId);
  lane.answer("opened");
  lane.store();
  assert.deepEqual(lane.stored, ["one", "two"]);
});

Deno.test("journal: what waits is bounded; what is dropped is counted, and said where it was", () => {
  const { lane, journal, journals } = bench();
  journal.begin({});
  for (let line = 0; line < 10_100; line++) journal.line("stdout", String(line));
  assert.deepEqual([...journals.linesDropped()], [["a", 100]]);
  lane.answer("opened");
  while (lane.last.type === "journal-lines" && lane.stored.length < 10_000) lane.store();
  assert.equal(lane.stored.length, 10_000);
  journal.line("stdout", "again");
  lane.store();
  lane.store();
  assert.deepEqual(lane.stored.slice(-3), [
    ...["9999", "100 lines were dropped here: they could not be stored", "again"],
  ]);
});

Deno.test("journal: few lines of much text are bounded, too", () => {
  const { journal, journals } = bench();
  journal.begin({});
  const text = "x".repeat(64 * 1024);
  for (let line = 0; line < 65; line++) journal.line("stdout", text);
  assert.deepEqual([...journals.linesDropped()], [["a", 1]]);
});
