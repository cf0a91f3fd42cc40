/**
 * Names the software of others that telebridge hands on, with its licences, from what is really bundled and linked:
 *
 *     tools/notices.ts             dist/THIRD_PARTY_NOTICES.txt: everything in `make dist`'s file
 *     tools/notices.ts --library   native/build/THIRD_PARTY_NOTICES.txt: the C library alone, for the clients' packages
 *
 * In a clone that `make build` has been in. Fails when something comes without the text of its licence.
 */

import { parseArgs } from "node:util";
import config from "../deno.json" with { type: "json" };
import { linkedSoftware } from "./notices/archives.ts";
import { runtimeSection } from "./notices/deno.ts";
import { bundledPackages } from "./notices/npm.ts";
import { renderNotices, type Section } from "./notices/software.ts";

const NATIVE_BUILD = "native/build";
/** What the C library itself is linked from, in two steps. */
const LIBRARY_MAPS = ["libtelebridge.map", "whole.map"];

async function linkedSection(maps: readonly string[]): Promise<Section> {
  return {
    title: "Libraries, linked statically",
    introduction: "The linker took parts of these archives into our native code. The texts are " +
      "those of Debian's packages,\nwhich name the common licences by their place on a Debian " +
      "system; Apache-2.0 is LICENSE here.",
    software: await linkedSoftware(maps.map((map) => `${NATIVE_BUILD}/${map}`)),
  };
}

async function packagesSection(): Promise<Section> {
  return {
    title: "Packages of npm",
    introduction: "Code of these packages is in the server or in the pages that it serves.",
    software: await bundledPackages(),
  };
}

/** The maps of all native code that was linked here. */
function allMaps(): string[] {
  const names = [...Deno.readDirSync(NATIVE_BUILD)].map(({ name }) => name);
  return names.filter((name) => name.endsWith(".map")).toSorted();
}

function heading(what: string): string {
  return `THIRD-PARTY NOTICES\n\n${what} ${config.version} is licensed under the Apache License, ` +
    "Version 2.0 (LICENSE). It contains the\nfollowing software of others, under their licences.\n";
}

async function main(): Promise<void> {
  const { values: { library } } = parseArgs({ options: { library: { type: "boolean" } } });
  Deno.chdir(new URL("..", import.meta.url));
  if (library) {
    const sections = [await linkedSection(LIBRARY_MAPS)];
    const text = renderNotices(heading("libtelebridge"), sections);
    await Deno.writeTextFile(`${NATIVE_BUILD}/THIRD_PARTY_NOTICES.txt`, text);
    return;
  }
  const sections = [await packagesSection(), await linkedSection(allMaps()), runtimeSection()];
  await Deno.mkdir("dist", { recursive: true });
  await Deno.writeTextFile(
    "dist/THIRD_PARTY_NOTICES.txt",
    renderNotices(heading("telebridge"), sections),
  );
}

if (import.meta.main) await main();
