/** The libraries that were linked statically, and their licences, as Debian's packages have them. */

import { basename, normalize } from "node:path";
import { output } from "./command.ts";
import type { Software } from "./software.ts";

/** Packages of which we take no archive, but declarations that we compile. */
const HEADERS = [{ debianPackage: "libffmpeg-nvenc-dev", part: "nvEncodeAPI.h" }];

/** What of others is in the code that the linker wrote these maps of. */
export async function linkedSoftware(maps: readonly string[]): Promise<Software[]> {
  const archives = [...new Set(maps.flatMap((map) => archivesIn(Deno.readTextFileSync(map))))];
  const owners = await Promise.all(archives.map(async (path) => ({
    debianPackage: await ownerOf(path),
    part: basename(path),
  })));
  const byPackage = Map.groupBy([...owners, ...HEADERS], ({ debianPackage }) => debianPackage);
  return Promise.all(
    [...byPackage].map(([debianPackage, parts]) =>
      describe(debianPackage, parts.map(({ part }) => part).toSorted())
    ),
  );
}

/** Archives that the linker took something from: the first list in its map. */
export function archivesIn(map: string): string[] {
  const list = map.split("\nMemory Configuration\n")[0]!.split("\nDiscarded input sections\n")[0]!;
  const members = list.matchAll(/^(\/\S*\.a)\(/gm);
  return [...new Set([...members].map(([, path]) => normalize(path!)))];
}

async function ownerOf(path: string): Promise<string> {
  const line = await output("dpkg-query", "--search", path).catch((error: Error) => {
    throw new Error(
      `cannot tell the licence of ${path}, which the library is linked with: it is no Debian ` +
        `package's.\n${error.message}`,
    );
  });
  return line.split(":")[0]!;
}

async function describe(debianPackage: string, parts: readonly string[]): Promise<Software> {
  const version = await output("dpkg-query", "--show", "--showformat=${Version}", debianPackage);
  const copyrightPath = `/usr/share/doc/${debianPackage}/copyright`;
  return {
    name: `${parts.join(", ")} of Debian's package ${debianPackage}`,
    version,
    licenceText: await Deno.readTextFile(copyrightPath),
  };
}
