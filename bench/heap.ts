/** The JavaScript heaps of a viewer's page and of its worker over ten thousand frames. */

import type { CDPSession, Page } from "playwright-core";
import { TestBox } from "../tests/harness/box.ts";
import { launchBrowser, ViewerPage } from "../tests/harness/browser.ts";
import { Serve } from "../tests/harness/serve.ts";
import { sleep } from "../tests/harness/wait.ts";
import { startDemo } from "./demo_runs.ts";
import type { Bench, BenchOptions, Row } from "./report.ts";

const FRAMES = 10_000;
/** Code that gets compiled meanwhile lives in the heap too; a leak of one object a frame would show above this. */
const GROWTH_BYTES_MAX = 512 * 1024;

/** Heap in use after a collection, bytes, by the DevTools protocol. */
type HeapMeter = () => Promise<number>;

type Send = (method: string) => Promise<unknown>;

function heapMeter(send: Send): HeapMeter {
  return async () => {
    await send("HeapProfiler.collectGarbage");
    const { usedSize } = await send("Runtime.getHeapUsage") as { usedSize: number };
    return usedSize;
  };
}

/** Speaks to the page's one dedicated worker through the page's session (Target domain, not flattened). */
async function workerSend(session: CDPSession): Promise<Send> {
  const attached = new Promise<string>((resolve) =>
    session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      if (targetInfo.type === "worker") resolve(sessionId);
    })
  );
  await session.send("Target.setAutoAttach", {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  const sessionId = await attached;
  let lastId = 0;
  const waiting = new Map<number, (result: unknown) => void>();
  session.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { id, result } = JSON.parse(message);
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  return async (method) => {
    const id = ++lastId;
    const answered = new Promise((resolve) => waiting.set(id, resolve));
    await session.send("Target.sendMessageToTarget", {
      sessionId,
      message: JSON.stringify({ id, method }),
    });
    return await answered;
  };
}

async function heapMeters(page: Page): Promise<{ page: HeapMeter; worker: HeapMeter }> {
  const session = await page.context().newCDPSession(page);
  const sendToPage = (method: string) => session.send(method as "Runtime.getHeapUsage");
  return { page: heapMeter(sendToPage), worker: heapMeter(await workerSend(session)) };
}

async function measure({ smoke, progress }: BenchOptions): Promise<Row[]> {
  await using box = await TestBox.create();
  const serve = await Serve.start(box);
  const runId = startDemo(box, { width: 160, height: 160, framesPerSecond: 120 });
  const viewer = await ViewerPage.open(await launchBrowser(box));
  await viewer.visitRun(serve, runId);
  await viewer.untilMoving(smoke ? 10 : 1500);
  const meters = await heapMeters(viewer.page);
  const before = { page: await meters.page(), worker: await meters.worker() };
  const shownBefore = (await viewer.snapshot())!.counters.shown;
  const frames = smoke ? 60 : FRAMES;
  progress(`${frames} frames of 160×160×3 at 120 Hz`);
  let shown = 0;
  while (shown < frames) {
    await sleep(250);
    shown = (await viewer.snapshot())!.counters.shown - shownBefore;
  }
  const after = { page: await meters.page(), worker: await meters.worker() };
  return (["page", "worker"] as const).map((who) => {
    const grownBytes = after[who] - before[who];
    return {
      what: `JavaScript heap of the viewer's ${who} over ${shown} frames drawn`,
      measured: `${grownBytes >= 0 ? "+" : "−"}${Math.abs(grownBytes / 1024).toFixed(0)} KiB`,
      against: `${(before[who] / 2 ** 20).toFixed(1)} MiB in use at the start`,
      limit: "flat (512 KiB of compiled code and the like)",
      met: grownBytes < GROWTH_BYTES_MAX,
    };
  });
}

export const heapBench: Bench = {
  name: "heap",
  title: "A viewer's heap over ten thousand frames",
  run: measure,
};
