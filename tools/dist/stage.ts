/** Lays out what telebridge runs from when it is no clone, as one folder: plain Deno can run it from there, too. */

import { basename, dirname } from "node:path";
import { SERVER_ENTRIES } from "../entries.ts";

const NOTICES = "dist/THIRD_PARTY_NOTICES.txt";

/** Fills `folder`, which is made anew, from a clone that `make build` has been in. The paths are documented in docs/dist.md. */
export async function stageProgram(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Promise.all(SERVER_ENTRIES.map((entry) => bundle(entry, folder)));
  await copyFolder("dist/assets", `${folder}/assets`);
  await copyFolder("proto/telebridge/v1", `${folder}/proto/telebridge/v1`);
  await copy("dist/telebridge.binpb", `${folder}/proto/telebridge.binpb`);
  for (
    const name of ["libtelebridge.so", "mountain_car", "telebridge_agent", "telebridge_keeper"]
  ) {
    await copy(`native/build/${name}`, `${folder}/lib/${name}`);
    await run("strip", "--strip-unneeded", `${folder}/lib/${name}`);
  }
  await copy("LICENSE", `${folder}/LICENSE`);
  await copyIfAny(NOTICES, `${folder}/THIRD_PARTY_NOTICES.txt`);
}

/** Not minified: that would save 0.1 MB of the packed file and cost the names in stack traces. */
async function bundle(entry: string, folder: string): Promise<void> {
  const output = `${folder}/server/${basename(entry, ".ts")}.mjs`;
  // Never .js: that would be CommonJS if a package.json in a folder above said so.
  await run(Deno.execPath(), "bundle", "--quiet", `--output=${output}`, entry);
}

/** Throws when the command fails; what it says is on our stderr. */
export async function run(command: string, ...args: string[]): Promise<void> {
  const { success, code } = await new Deno.Command(command, { args }).spawn().status;
  if (!success) throw new Error(`${command} ${args.join(" ")}: exit code ${code}`);
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(dirname(to), { recursive: true });
  await Deno.copyFile(from, to);
}

/** Notices are made from the installed packages, which a quick build of a test may not have looked at. */
async function copyIfAny(from: string, to: string): Promise<void> {
  try {
    await copy(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  for await (const { name, isFile } of Deno.readDir(from)) {
    if (isFile) await copy(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Paths of all files below a folder, in an order that does not depend on the file system. */
export function filesBelow(folder: string): string[] {
  const found = [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`).map((path) => `${name}/${path}`) : [name]
  );
  return found.toSorted();
}
