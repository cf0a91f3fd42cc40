/** telebridge as one file by `deno compile`, from a folder as stage.ts leaves it. */

import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { MANIFEST, type Manifest } from "../../core/unpacked.ts";
import { filesBelow } from "./stage.ts";

const ENTRY = "server/main.mjs";
/** In the launcher's flags, too (native/launcher/main.c). */
const FLAGS = ["--quiet", "--no-config", "--no-lock", "--unstable-net", "--allow-all"];

/** Why Deno could not compile, in its own words; null: it did, into `output`. DENORT_BIN names another base than Deno's. */
export async function compileProgram(folder: string, output: string): Promise<string | null> {
  writeManifest(folder);
  const temporary = `${resolve(output)}.new`; // Deno removes what it cannot replace
  const included = filesBelow(folder).filter((path) => path !== ENTRY);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      ...FLAGS,
      ...included.flatMap((path) => ["--include", path]),
      ...["--output", temporary, ENTRY],
    ],
    cwd: folder,
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  if (success) {
    await Deno.rename(temporary, output);
    return null;
  }
  Deno.removeSync(`${folder}/${MANIFEST}`);
  return reasonIn(new TextDecoder().decode(stderr));
}

/** The request that failed, else the last of the causes that Deno lists above its own stack. */
function reasonIn(stderr: string): string {
  const causes = stderr.split("\n\nStack backtrace")[0]!.trim().split("\n");
  const found = causes.find((line) => line.includes("sending request")) ?? causes.at(-1)!;
  return found.replace(/^\s*(\d+|error): /, "");
}

/** What must be unpacked before it can be used: the library and the demo. */
function writeManifest(folder: string): void {
  const all = filesBelow(folder).filter((path) => path !== MANIFEST).map((path) => ({
    path,
    sha256: createHash("sha256").update(Deno.readFileSync(`${folder}/${path}`)).digest("hex"),
  }));
  const manifest: Manifest = {
    id: createHash("sha256").update(JSON.stringify([Deno.version.deno, all])).digest("hex").slice(
      0,
      32,
    ),
    files: all.filter(({ path }) => path.startsWith("lib/")).map((file) => ({
      ...file,
      mode: 0o500,
    })),
  };
  Deno.writeTextFileSync(`${folder}/${MANIFEST}`, JSON.stringify(manifest, null, 2) + "\n");
}
