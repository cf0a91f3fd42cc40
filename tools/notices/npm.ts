/** The npm packages that are in our bundles, and their licences. */

import { PAGE_ENTRIES, SERVER_ENTRIES } from "../entries.ts";
import { output } from "./command.ts";
import type { Software } from "./software.ts";

/** A package as Deno's cache has it. */
export interface CachedPackage {
  readonly name: string;
  readonly version: string;
  readonly localPath: string;
}

interface TextElsewhere {
  readonly remark: string;
  /** Modules of the package that begin with a comment that is its licence. */
  readonly modules: readonly string[];
}

/** Packages that come without a licence file, and where their licence is instead. */
const WITHOUT_FILE: Readonly<Record<string, TextElsewhere>> = {
  "@bufbuild/protobuf": {
    remark: "Apache-2.0 AND BSD-3-Clause, says the package, without a file; this is in its modules",
    modules: ["dist/esm/create.js", "dist/esm/wire/varint.js"],
  },
};

const LICENCE_FILE = /^(licen[cs]e|copying|copyright\w*|notice|unlicense)([.-].*)?$/i;

/** Packages of which at least one module is in one of the bundles. */
export async function bundledPackages(): Promise<Software[]> {
  const [cached, ...listings] = await Promise.all([
    cachedPackages(),
    ...SERVER_ENTRIES.map((entry) => modulesOf(entry, "deno")),
    ...Object.values(PAGE_ENTRIES).map((entry) => modulesOf(entry, "browser")),
  ]);
  const found = new Set(listings.flat().flatMap(packageOf));
  const stale = Object.keys(WITHOUT_FILE).filter((name) =>
    ![...found].some((id) => id.startsWith(`${name}@`))
  );
  if (stale.length > 0) throw new Error(`${stale} is in no bundle: take it out of WITHOUT_FILE`);
  return [...found].map((id) => {
    const cachedPackage = cached.get(id);
    if (!cachedPackage) throw new Error(`${id} is in a bundle, but not in deno.lock`);
    return withLicence(cachedPackage);
  });
}

/** The package that a bundled module is from, as name@version; none for our own. */
export function packageOf(modulePath: string): string[] {
  // Deno's cache: npm/<registry>/<name>/<version>/<path in the package>
  const match = /\/npm\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/(\d[^/]*)\//.exec(modulePath);
  return match ? [`${match[1]}@${match[2]}`] : [];
}

/** Every package of deno.lock, by name@version. */
async function cachedPackages(): Promise<Map<string, CachedPackage>> {
  const text = await output(Deno.execPath(), "info", "--json", "--frozen", SERVER_ENTRIES[0]);
  const { npmPackages }: { npmPackages: Record<string, CachedPackage> } = JSON.parse(text);
  return new Map(Object.values(npmPackages).map((one) => [`${one.name}@${one.version}`, one]));
}

/** Paths of the modules that a bundle has code of: in one that is not minified, a comment above the code. */
async function modulesOf(entry: string, platform: "deno" | "browser"): Promise<string[]> {
  const bundle = await output(
    ...[Deno.execPath(), "bundle", "--quiet", `--platform=${platform}`, entry] as const,
  );
  const paths = [...bundle.matchAll(/^ *\/\/ (\S+\.\w+)$/gm)].map(([, path]) => path!);
  if (!paths.includes(entry)) throw new Error(`the bundle of ${entry} does not name its modules`);
  return paths;
}

/** With what its folder says of its licence. */
export function withLicence({ name, version, localPath }: CachedPackage): Software {
  const files = [...Deno.readDirSync(localPath)].map((entry) => entry.name)
    .filter((file) => LICENCE_FILE.test(file)).toSorted();
  const elsewhere = WITHOUT_FILE[name];
  if (files.length > 0) {
    if (elsewhere) throw new Error(`${name} has ${files} now: take it out of WITHOUT_FILE`);
    return { name, version, licenceText: texts(localPath, files).join("\n\n") };
  }
  if (!elsewhere) {
    throw new Error(
      `${name} ${version} is in a bundle, but its package holds no licence file: look for the ` +
        "licence that it is under, and say where it stands in WITHOUT_FILE, tools/notices/npm.ts",
    );
  }
  const comments = texts(localPath, elsewhere.modules).map(leadingComment);
  return { name, version, licenceText: comments.join("\n\n"), remark: elsewhere.remark };
}

function texts(folder: string, files: readonly string[]): string[] {
  return files.map((file) => Deno.readTextFileSync(`${folder}/${file}`));
}

function leadingComment(module: string): string {
  const comment = /^(?:\/\/.*\n)+/.exec(module)?.[0];
  if (!comment?.startsWith("// Copyright")) throw new Error("a module has no licence at its top");
  return comment.replaceAll(/^\/\/ ?/gm, "");
}
