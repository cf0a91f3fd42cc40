/**
 * Proves the README's first command as a newcomer would use it: in a new clone it runs `make run`
 * as written there, opens the URL that is printed in Chromium, sees the demo move, presses Ctrl-C
 * and looks for what is left behind. The last line is `N passed, N failed`.
 *
 *     tools/readme_proof.ts CLONE_FOLDER
 */
import { type Browser, chromium, type Page } from "playwright-core";
import { decode } from "fast-png";
import { closingLine } from "../tests/runner/counts.ts";
import { Sandbox } from "../tests/runner/sandbox.ts";

const CHROMIUM = "/usr/bin/chromium";
const CHROMIUM_FLAGS = [
  "--no-sandbox", // CI runs as root, where Chromium's own sandbox does not work
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** Bounds against hangs. The first covers installing and building on a fresh machine. */
const URL_MS_MAX = 10 * 60_000;
const PAGE_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;
/** How long the numbers get to move on; the demo steps at 60 Hz. */
const WATCH_MS = 2_000;

const checks = { passed: 0, failed: 0 };

/** Runs one check and says how it went; what it throws is the failure's reason. */
async function check<Result>(
  what: string,
  body: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    const result = await body();
    checks.passed++;
    console.log(`ok      ${what}`);
    return result;
  } catch (error) {
    checks.failed++;
    console.log(`FAILED  ${what}: ${error instanceof Error ? error.message : error}`);
  }
}

function expect(condition: unknown, complaint: string): asserts condition {
  if (!condition) throw new Error(complaint);
}

function within<Value>(promise: Promise<Value>, msMax: number, what: string): Promise<Value> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${msMax / 1000} s`)), msMax);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The command as README.md gives it in a block of shell commands, without its comment. */
async function readmeCommand(clone: string): Promise<string> {
  const readme = await Deno.readTextFile(`${clone}/README.md`);
  const blocks = [...readme.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block]) => block!);
  const line = blocks.flatMap((block) => block.split("\n")).find((text) =>
    text.startsWith("make run")
  );
  expect(line, "README.md gives no command that starts with `make run`");
  return line.replace(/#.*/, "").trim();
}

/** `make run` in a process group of its own, as a terminal starts it. */
class Run {
  readonly #process: Deno.ChildProcess;
  readonly #printed: Promise<string>;

  constructor(command: string, clone: string, environment: Record<string, string>) {
    this.#process = new Deno.Command("sh", {
      args: ["-c", `exec ${command}`],
      cwd: clone,
      env: environment,
      clearEnv: true,
      detached: true,
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#printed = this.#findUrl();
  }

  /** The first URL on its standard output; the rest of the output is shown, too. */
  url(): Promise<string> {
    return within(this.#printed, URL_MS_MAX, "printed URL");
  }

  /** Ctrl-C: SIGINT to everything in the terminal's foreground. */
  async pressControlC(): Promise<void> {
    Deno.kill(-this.#process.pid, "SIGINT");
    await within(this.#process.status, STOP_MS_MAX, "end after Ctrl-C");
  }

  async #findUrl(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const show = async () => {
      let text = "";
      for await (const chunk of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
        console.log(chunk.trimEnd().replaceAll(/^/gm, "  | "));
        text += chunk;
        const url = text.match(/https?:\/\/\S+(?=\s)/)?.[0];
        if (url) resolve(url);
      }
      reject(new Error("it ended without printing a URL"));
    };
    show().catch(reject);
    return await promise;
  }
}

/** From the printed URL to the demo's picture, by the link that a person would click. */
async function openDemo(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage({ acceptDownloads: true });
  page.setDefaultTimeout(PAGE_MS_MAX);
  await page.goto(url);
  const firstRun = page.locator("li[data-run] a").first();
  const savePng = page.getByRole("button", { name: "Save PNG" });
  await firstRun.or(savePng).first().waitFor();
  if (await firstRun.isVisible()) await firstRun.click();
  await savePng.and(page.locator(":enabled")).waitFor();
  return page;
}

/** The picture on the page, by its own "Save PNG". */
async function savePicture(page: Page): Promise<ReturnType<typeof decode>> {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save PNG" }).click();
  return decode(await Deno.readFile(await (await download).path()));
}

function coloursIn({ data, channels }: ReturnType<typeof decode>): number {
  const colours = new Set<string>();
  for (let i = 0; i < data.length; i += channels) {
    colours.add(data.slice(i, i + channels).join());
  }
  return colours.size;
}

async function hudNumber(page: Page, name: string): Promise<number> {
  const text = await page.locator(`[data-hud="${name}"]`).innerText();
  return Number(text.replaceAll(/[^0-9.]/g, "") || NaN);
}

async function watchDemo(page: Page): Promise<void> {
  await check("two frames of the demo differ, and neither is blank", async () => {
    const before = await savePicture(page);
    await page.waitForTimeout(WATCH_MS);
    const after = await savePicture(page);
    const [coloursBefore, coloursAfter] = [coloursIn(before), coloursIn(after)];
    expect(
      Math.min(coloursBefore, coloursAfter) > 8,
      `${coloursBefore} and ${coloursAfter} colours`,
    );
    expect(before.data.some((value, i) => value !== after.data[i]), "the same pixels twice");
  });
  await check("the numbers over the picture move", async () => {
    const before = await hudNumber(page, "step");
    expect(Number.isFinite(before), "the step is no number");
    await page.waitForTimeout(WATCH_MS);
    const after = await hudNumber(page, "step");
    expect(after > before, `the step was ${before} and is ${after}`);
  });
}

async function main(clone: string): Promise<number> {
  const sandbox = await Sandbox.create();
  const dataFolder = `${sandbox.folder}/data`;
  let browser: Browser | undefined;
  try {
    const written = await readmeCommand(clone);
    const command = `${written} ARGS="--port 0 --data-dir ${dataFolder}"`;
    const run = new Run(command, clone, await sandbox.newRoom());
    const url = await check(`\`${written}\` prints a URL`, () => run.url());
    if (url !== undefined) {
      const page = await check("the printed URL leads to the demo's picture", async () => {
        browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
        return await openDemo(browser, url);
      });
      if (page !== undefined) await watchDemo(page);
    }
    await check("Ctrl-C ends it", () => run.pressControlC());
    await browser?.close();
    await check("nothing is left behind", async () => {
      const leftovers = await sandbox.leftovers();
      const names = leftovers.map(({ kind, description }) => `${kind} ${description}`);
      expect(names.length === 0, names.join(", "));
    });
  } finally {
    await sandbox.remove();
  }
  console.log(closingLine({ ...checks, skipped: 0, skipReasons: [] }));
  return checks.failed === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args[0]!));
