import assert from "node:assert/strict";
import { backoffMs } from "../../viewer/backoff.ts";
import { raceLanes } from "../../viewer/lane_race.ts";
import type { TransportKind } from "../../viewer/transport.ts";

type Behaviour = { opensAfterMs: number } | { failsAfterMs: number };

/** Races two lanes that behave as told; tells who won, who was tried and who was closed again. */
async function race(
  behaviours: Record<TransportKind, Behaviour>,
  forced: TransportKind | null = null,
  signal: AbortSignal = new AbortController().signal,
) {
  const tried: string[] = [];
  const discarded: string[] = [];
  const aborted: string[] = [];
  const open = (kind: TransportKind, laneSignal: AbortSignal) => {
    tried.push(kind);
    const behaviour = behaviours[kind];
    return new Promise<string>((resolve, reject) => {
      let settled = false;
      const timer = "opensAfterMs" in behaviour
        ? setTimeout(() => (settled = true, resolve(kind)), behaviour.opensAfterMs)
        : setTimeout(() => reject(new Error(`${kind} failed`)), behaviour.failsAfterMs);
      laneSignal.addEventListener("abort", () => {
        // A lane that is open does not listen any more.
        if (settled) return;
        clearTimeout(timer);
        aborted.push(kind);
        reject(new Error("given up"));
      });
    });
  };
  const winner = await raceLanes(open, (lane) => discarded.push(lane), forced, signal).catch(
    (error: Error) => error.message,
  );
  // Whatever is still under way settles.
  await new Promise((resolve) => setTimeout(resolve, 700));
  return { winner, tried, discarded, aborted };
}

Deno.test("lane race: WebTransport alone is tried when it opens at once", async () => {
  const seen = await race({ webtransport: { opensAfterMs: 5 }, websocket: { opensAfterMs: 1 } });
  assert.deepEqual([seen.winner, seen.tried], ["webtransport", ["webtransport"]]);
});

Deno.test("lane race: the WebSocket starts as soon as WebTransport fails", async () => {
  const begunAtMs = performance.now();
  const seen = await race({ webtransport: { failsAfterMs: 5 }, websocket: { opensAfterMs: 1 } });
  assert.equal(seen.winner, "websocket");
  // 700 ms of settling are part of it: the head start of 500 ms was not waited for.
  assert.ok(performance.now() - begunAtMs < 1_150);
});

Deno.test("lane race: where UDP disappears, the WebSocket wins and WebTransport is given up", async () => {
  const seen = await race({
    webtransport: { opensAfterMs: 60_000 },
    websocket: { opensAfterMs: 1 },
  });
  assert.deepEqual([seen.winner, seen.aborted], ["websocket", ["webtransport"]]);
});

Deno.test("lane race: WebTransport may still win after its head start", async () => {
  const seen = await race({
    webtransport: { opensAfterMs: 540 },
    websocket: { opensAfterMs: 60_000 },
  });
  assert.deepEqual([seen.winner, seen.aborted], ["webtransport", ["websocket"]]);
});

Deno.test("lane race: when no lane opens, the last error tells why", async () => {
  const seen = await race({ webtransport: { failsAfterMs: 5 }, websocket: { failsAfterMs: 5 } });
  assert.equal(seen.winner, "websocket failed");
});

Deno.test("lane race: a forced lane is the only one tried", async () => {
  const lanes = { webtransport: { opensAfterMs: 1 }, websocket: { opensAfterMs: 1 } };
  assert.deepEqual((await race(lanes, "websocket")).tried, ["websocket"]);
});

Deno.test("backoff: doubles to 5 s, with jitter of half", () => {
  assert.deepEqual([0, 1, 2, 4, 9].map((attempt) => backoffMs(attempt, 1)), [
    250,
    500,
    1_000,
    4_000,
    5_000,
  ]);
  assert.equal(backoffMs(0, 0), 125);
});
