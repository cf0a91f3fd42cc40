import assert from "node:assert/strict";
import {
  CELL_TOLERANCE,
  FIRST_FRAME_MS,
  type Observation,
  type Picture,
  type Verdict,
  Watchdog,
} from "../../core/agents/watchdog.ts";

const LIMITS = { hangTimeoutMs: 5_000, frozenTimeoutMs: 20_000, blackTimeoutMs: 10_000 };
const OFF = { hangTimeoutMs: null, frozenTimeoutMs: null, blackTimeoutMs: null };
const CELLS = 64;

function picture(luma: number, options: { cell?: number; width?: number } = {}): Picture {
  const cells = new Uint8Array(CELLS).fill(luma);
  if (options.cell !== undefined) cells[CELLS / 2] = options.cell;
  return { width: options.width ?? 640, height: 360, lumaMax: luma, cells };
}

/** Observes once a second until something is wrong, for a minute at most. Returns after how many seconds it was. */
function watch(
  watchdog: Watchdog,
  observe: (second: number) => Partial<Observation>,
  fromMs = 0,
): { second: number; verdict: Verdict } | null {
  for (let second = 1; second <= 120; second++) {
    const observation = { head: second, paused: false, picture: null, ...observe(second) };
    const verdict = watchdog.observe(observation, fromMs + second * 1_000);
    if (verdict !== null) return { second, verdict };
  }
  return null;
}

Deno.test("watchdog: frames that come and pictures that change are fine", () => {
  const alive = (second: number) => ({ picture: picture(100 + second) });
  assert.equal(watch(new Watchdog(LIMITS, 0), alive), null);
});

Deno.test("watchdog: without frames it is hung, before the first one only after a minute", () => {
  const stops = watch(new Watchdog(LIMITS, 0), (second) => ({ head: Math.min(second, 7) }));
  assert.deepEqual(stops, { second: 12, verdict: { trouble: "hung", text: "no frame for 5 s" } });
  const first = FIRST_FRAME_MS / 1000;
  const verdict = {
    trouble: "hung",
    text: "no first frame of the run that $TELEBRIDGE_RUN names for 60 s",
  };
  for (const head of [null, 0]) {
    const never = watch(new Watchdog(LIMITS, 0), () => ({ head }));
    assert.equal(never?.verdict.text, verdict.text);
    assert(Math.abs(never!.second - first) <= 1, `after ${never?.second} s`);
  }
});

Deno.test("watchdog: a ring that goes and does not come again is hung, another one is not", () => {
  const gone = watch(new Watchdog(LIMITS, 0), (second) => ({ head: second < 4 ? second : null }));
  assert.equal(gone?.second, 8);
  const again = (second: number) => ({ head: second < 40 ? second : second - 39 });
  assert.equal(watch(new Watchdog(LIMITS, 0), again), null);
});

Deno.test("watchdog: who pauses owes nothing, and has all its time again afterwards", () => {
  const found = watch(new Watchdog(LIMITS, 0), (second) => ({
    head: 1,
    paused: second > 3 && second <= 50,
    picture: picture(0),
  }));
  assert.deepEqual(found, { second: 55, verdict: { trouble: "hung", text: "no frame for 5 s" } });
});

Deno.test("watchdog: the time in which nobody looked is not the agent's", () => {
  const watchdog = new Watchdog(LIMITS, 0);
  assert.equal(watchdog.observe({ head: 1, paused: false, picture: null }, 1_000), null);
  // The server was stopped for an hour, and the agent with it.
  assert.equal(watchdog.observe({ head: 1, paused: false, picture: null }, 3_600_000), null);
  assert.notEqual(watch(watchdog, () => ({ head: 1 }), 3_600_000), null);
});

Deno.test("watchdog: the same picture for too long is frozen; noise of an encoder is no change", () => {
  const verdict = { trouble: "frozen", text: "the same picture for 20 s" };
  const noisy = (second: number) => ({
    picture: picture(100, { cell: 100 + (second % 2) * CELL_TOLERANCE }),
  });
  assert.deepEqual(watch(new Watchdog(LIMITS, 0), noisy), { second: 21, verdict });
  const blinking = (second: number) => ({
    picture: picture(100, { cell: second % 15 === 0 ? 100 + CELL_TOLERANCE + 1 : 100 }),
  });
  assert.equal(watch(new Watchdog(LIMITS, 0), blinking), null);
});

Deno.test("watchdog: what moves slowly, and what changes its size, is not frozen", () => {
  // One level in two seconds: no two pictures in a row differ by more than the tolerance.
  const slow = (second: number) => ({
    picture: picture(40, { cell: 40 + Math.floor(second / 2) }),
  });
  assert.equal(watch(new Watchdog(LIMITS, 0), slow), null);
  const resized = (second: number) => ({
    picture: picture(100, { width: 640 + 2 * Math.floor(second / 15) }),
  });
  assert.equal(watch(new Watchdog(LIMITS, 0), resized), null);
});

Deno.test("watchdog: a black picture is black before it is frozen, a dark scene is not", () => {
  const black = watch(new Watchdog(LIMITS, 0), () => ({ picture: picture(4) }));
  const verdict = { trouble: "black", text: "a black picture for 10 s" };
  assert.deepEqual(black, { second: 11, verdict });
  const flashes = (second: number) => ({ picture: picture(second % 9 === 0 ? 120 : 0) });
  assert.equal(watch(new Watchdog(LIMITS, 0), flashes), null);
});

Deno.test("watchdog: a run whose pictures are rarely seen is judged by those that are", () => {
  const rare = (second: number) => ({ picture: second % 8 === 0 ? picture(100) : null });
  assert.equal(watch(new Watchdog(LIMITS, 0), rare)?.second, 32);
});

Deno.test("watchdog: what is off is not looked at", () => {
  assert.equal(watch(new Watchdog(OFF, 0), () => ({ head: 1, picture: picture(0) })), null);
});
