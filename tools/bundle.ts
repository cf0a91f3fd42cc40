/**
 * Bundles what the browser loads into dist/assets: the islands, the viewer worker, the
 * styles and the icon.
 *
 *     deno run --allow-all tools/bundle.ts
 */

import { fileURLToPath } from "node:url";
import { PAGE_ENTRIES } from "./entries.ts";

const ASSETS_DIR = "dist/assets";

/** Styles in the order of the cascade, after those of packages. */
const STYLES = [
  "tokens",
  "base",
  "controls",
  "runs",
  "stored",
  "agents",
  "run",
  "side",
  "data",
  "charts",
  "logs",
  "dialog",
];

async function bundleScript(entry: string, output: string): Promise<void> {
  const bundle = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=browser", "--minify", `--output=${output}`, entry],
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!bundle.success) throw new Error(`cannot bundle ${entry}: deno bundle exits ${bundle.code}`);
}

async function joinStyles(output: string): Promise<void> {
  const paths = [
    fileURLToPath(import.meta.resolve("uplot/dist/uPlot.min.css")),
    ...STYLES.map((name) => `islands/styles/${name}.css`),
  ];
  const sheets = paths.map((path) => Deno.readTextFile(path));
  await Deno.writeTextFile(output, (await Promise.all(sheets)).join("\n"));
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  await Deno.mkdir(ASSETS_DIR, { recursive: true });
  for (const [name, entry] of Object.entries(PAGE_ENTRIES)) {
    await bundleScript(entry, `${ASSETS_DIR}/${name}.js`);
  }
  await joinStyles(`${ASSETS_DIR}/style.css`);
  await Deno.copyFile("islands/favicon.svg", `${ASSETS_DIR}/favicon.svg`);
}
