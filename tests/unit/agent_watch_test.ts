import assert from "node:assert/strict";
import { AgentWatch, type WatchedAgents } from "../../core/agents/watch.ts";
import type { Verdict } from "../../core/agents/watchdog.ts";
import { RunRegistry } from "../../core/registry.ts";
import { PixelFormat } from "../../proto/wire.ts";
import { openLibrary } from "../harness/library.ts";

const WIDTH = 64;
const HEIGHT = 36;
const LIMITS = { hangTimeoutMs: 4_000, frozenTimeoutMs: 9_000, blackTimeoutMs: 3_000 };
/** A look at a picture of this size takes less than a ms. */
const LOOK_MS = 15;

/** Runs seconds of a clock of its own until there is a verdict; `publish` is called once in each. */
async function firstVerdict(
  publish: (second: number, publishGrey: (grey: number) => void) => void,
  secondsMax: number,
): Promise<{ verdict: Verdict; second: number } | null> {
  const name = `watch-${crypto.randomUUID().slice(0, 8)}`;
  let nowMs = 0;
  let found: { verdict: Verdict; second: number } | null = null;
  const startedAtMs = Date.now();
  const agents: WatchedAgents = {
    watched: () => [{ config: { ...LIMITS, name }, startedAtMs }],
    onTrouble: (of, since, verdict) => {
      assert.deepEqual([of, since], [name, startedAtMs]);
      found ??= { verdict, second: nowMs / 1000 };
    },
  };
  using library = openLibrary();
  using registry = new RunRegistry({
    library,
    nowMs: Date.now,
    watch: () => new DisposableStack(),
  });
  using producer = library.openProducer(name, WIDTH * HEIGHT);
  const watch = new AgentWatch({ agents, registry, library, nowMs: () => nowMs });
  registry.listen(watch);
  registry.scan();
  for (let second = 1; second <= secondsMax && found === null; second++) {
    publish(second, (grey) =>
      producer.publish({
        pixels: new Uint8Array(WIDTH * HEIGHT).fill(grey),
        width: WIDTH,
        height: HEIGHT,
        format: PixelFormat.Gray8,
      }));
    nowMs = second * 1000;
    registry.tick();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  await watch.stop();
  return found;
}

Deno.test("agent watch: an agent whose pictures change is left alone", async () => {
  assert.equal(await firstVerdict((second, grey) => grey(40 + 20 * (second % 5)), 15), null);
});

Deno.test("agent watch: one that goes on with the same picture is frozen", async () => {
  const found = await firstVerdict((second, grey) => grey(second < 4 ? 40 + 30 * second : 130), 25);
  assert.equal(found?.verdict.text, "the same picture for 9 s");
});

Deno.test("agent watch: one whose picture goes black is black", async () => {
  const found = await firstVerdict((second, grey) => grey(second < 4 ? 100 : 0), 15);
  assert.equal(found?.verdict.text, "a black picture for 3 s");
});

Deno.test("agent watch: one that stops is hung", async () => {
  const found = await firstVerdict((second, grey) => second < 4 && grey(100), 15);
  assert.deepEqual(found, { second: 7, verdict: { trouble: "hung", text: "no frame for 4 s" } });
});
