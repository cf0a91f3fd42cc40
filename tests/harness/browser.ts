/** Headless Chromium, and a viewer page in it. */

import { decode } from "fast-png";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import type { DebugHandle } from "../../islands/debug_handle.ts";
import type { TestBox } from "./box.ts";
import type { Serve } from "./serve.ts";
import { waitFor } from "./wait.ts";

export const CHROMIUM_PATH = "/usr/bin/chromium";
const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export type Snapshot = NonNullable<ReturnType<DebugHandle["snapshot"]>>;

/** A saved frame, decoded by somebody else's decoder. */
export interface SavedFrame {
  /** Number of the frame, from the file's name. */
  frame: number;
  width: number;
  height: number;
  /** RGB rows. */
  rgb: Uint8Array;
}

export async function launchBrowser(box: TestBox, extraFlags: string[] = []): Promise<Browser> {
  const browser = await startBrowser(CHROMIUM_PATH, extraFlags);
  box.onEnd(() => browser.close());
  return browser;
}

/** `path` may be a script that starts Chromium with the arguments that it is given. */
export function startBrowser(path: string, extraFlags: string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: path, args: [...CHROMIUM_FLAGS, ...extraFlags] });
}

/** One page with storage of its own. */
export class ViewerPage {
  readonly page: Page;

  private constructor(page: Page) {
    this.page = page;
  }

  static async open(browser: Browser, options: BrowserContextOptions = {}): Promise<ViewerPage> {
    const context = await browser.newContext({
      viewport: { width: 1000, height: 700 },
      acceptDownloads: true,
      ...options,
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(`page error: ${error.stack}`));
    return new ViewerPage(page);
  }

  async visitRun(serve: Serve, run: string, query: Record<string, string> = {}): Promise<void> {
    await this.page.goto(serve.address(`/runs/${run}`, query));
  }

  async visitRuns(serve: Serve): Promise<void> {
    await this.page.goto(serve.address("/"));
  }

  /** `telebridge.snapshot()` of the page. */
  snapshot(): Promise<Snapshot | null> {
    return this.page.evaluate(() => globalThis.telebridge?.snapshot() ?? null);
  }

  /** Waits until the page's snapshot satisfies `test`. */
  until(what: string, test: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
    return waitFor(what, async () => {
      const snapshot = await this.snapshot();
      return snapshot !== null && test(snapshot) && snapshot;
    }, () => this.snapshot());
  }

  /** Waits for `frames` more frames on the screen. */
  async untilMoving(frames = 3): Promise<Snapshot> {
    const first = await this.until("a first picture", ({ picture }) => picture !== null);
    const frame = first.picture!.frame;
    return await this.until(
      "a moving picture",
      ({ picture, connection }) =>
        connection.phase === "open" && picture !== null &&
        Math.abs(picture.frame - frame) >= frames,
    );
  }

  /** Text of a number on the page, by its data-hud name. */
  async hud(name: string): Promise<string> {
    return await this.page.locator(`[data-hud="${name}"]`).first().innerText();
  }

  /** Waits until a number on the page reads `text`. */
  async untilHud(name: string, text: string): Promise<void> {
    const read = () => this.hud(name);
    await waitFor(`${name} to read ${text}`, async () => await read() === text, read);
  }

  /** Saves the frame on the screen by the page's own button and decodes the file. */
  async savePng(): Promise<SavedFrame> {
    const download = this.page.waitForEvent("download");
    await this.page.locator('[data-action="save"]').click();
    const file = await download;
    const { width, height, channels, data } = decode(await Deno.readFile(await file.path()));
    if (channels !== 3) throw new Error(`the PNG has ${channels} channels, expected 3`);
    const frame = Number(file.suggestedFilename().match(/-(\d+)\.png$/)![1]);
    return { frame, width, height, rgb: data as Uint8Array };
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}
