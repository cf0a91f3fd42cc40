/** Supervised agents on the pages: seen, told, and only watched by who may only watch. */

import assert from "node:assert/strict";
import type { Locator } from "playwright-core";
import { TestBox } from "../harness/box.ts";
import { launchBrowser, ViewerPage } from "../harness/browser.ts";
import { Serve } from "../harness/serve.ts";
import { waitFor } from "../harness/wait.ts";

/** Waits until the chip of an agent's row or panel reads so. */
async function untilState(place: Locator, label: string): Promise<void> {
  const read = () => place.locator('[data-chip="agent"]').innerText();
  await waitFor(`an agent to be ${label}`, async () => await read() === label, read);
}

Deno.test("agents: their list and a run's page show them, start and stop them, and say how they ended", async () => {
  await using box = await TestBox.create();
  const [drawing, failing] = [box.runId("drawing"), box.runId("failing")];
  await Deno.writeTextFile(
    `${box.dataDir}/telebridge.toml`,
    `[agents.${drawing}]
width = 160
height = 120
memory-max = "1GiB"
[agents.${failing}]
command = ["sh", "-c", "echo no licence >&2; exit 3"]
restart = "never"
`,
  );
  const serve = await Serve.start(box, { args: ["--view-token"] });
  const browser = await launchBrowser(box);
  const viewer = await ViewerPage.open(browser);
  const { page } = viewer;
  const row = (name: string) => page.locator(`.agents-row[data-agent="${name}"]`);

  await viewer.visitRuns(serve);
  await untilState(row(drawing), "Running");
  await untilState(row(failing), "Failed");
  assert.match(await row(failing).innerText(), /Ended with code 3: no licence, \d+ s ago\./);
  await waitFor("figures", async () => /of 1\.0 GiB/.test(await row(drawing).innerText()));
  assert.match(await page.locator(".agents summary").innerText(), /1 failed\s+1 running/);

  await row(drawing).locator('[data-action="stop-agent"]').click();
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(".agent-question").count(), 0);
  await untilState(row(drawing), "Running");
  await row(drawing).locator('[data-action="stop-agent"]').click();
  await page.keyboard.press("Enter");
  await untilState(row(drawing), "Stopped");

  await viewer.visitRun(serve, drawing);
  const panel = page.locator(".run-side");
  await untilState(panel, "Stopped");
  await panel.locator('[data-action="start-agent"]').click();
  await untilState(panel, "Running");
  await viewer.untilMoving();

  await page.setViewportSize({ width: 360, height: 740 });
  await viewer.visitRuns(serve);
  await untilState(row(failing), "Failed");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await row(failing).locator(".agent-log").click();
  await page.getByText("no licence").first().waitFor();

  const watcher = await ViewerPage.open(browser);
  await watcher.page.goto(`${serve.origin}/?token=${serve.ready.viewToken}`);
  const seen = watcher.page.locator(`.agents-row[data-agent="${drawing}"]`);
  await untilState(seen, "Running");
  assert.equal(await seen.locator("button").count(), 0);

  await serve.stop();
  await panel.locator('[data-state="agents-error"]').waitFor();
});
