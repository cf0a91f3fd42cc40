/** How this program was packed, and where the files that come with it are. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { COMPILED_PROGRAM, holdCache, unpackCompiled } from "./unpacked.ts";

/**
 * `clone`: the sources, after `make build`. `bundle`: one file, unpacked into its cache by its launcher (native/launcher).
 * `compiled`: one file made by `deno compile`.
 */
export type Kind = "clone" | "bundle" | "compiled";

export interface Assets {
  kind: Kind;
  /** The native library. */
  libraryPath: string;
  /** The demo worker's executable. */
  demoPath: string;
  /** The headless agent's executable. */
  agentPath: string;
  /** The executable that starts a command for us, watches it, and ends it when we are gone. */
  keeperPath: string;
  /** Folder of the bundled islands: scripts, styles. */
  bundlesDir: string;
  licencePath: string;
  /** The licences of what is inside; in a clone only once they were asked for. */
  noticesPath: string;
  /** What a person starts, for whoever writes it down. It may be replaced by another version at any time. */
  executable: string;
  /** This very version, for other processes of it: the executable and its first arguments. */
  program: readonly string[];
}

/** Sources are TypeScript, bundles are not; both stand one folder below the root. */
export const kind: Kind = Deno.build.standalone
  ? "compiled"
  : import.meta.url.endsWith(".ts")
  ? "clone"
  : "bundle";

function at(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

/** The module of a Worker, by its path in the sources without `.ts`. In a bundle they stand beside one another. */
export function workerUrl(module: string): URL {
  return kind === "clone"
    ? new URL(`../${module}.ts`, import.meta.url)
    : new URL(`${module.replace(/.*\//, "")}.mjs`, import.meta.url);
}

export function locateAssets(): Assets {
  switch (kind) {
    case "clone":
      return cloneAssets();
    case "bundle":
      return bundleAssets();
    case "compiled":
      return compiledAssets();
  }
}

function cloneAssets(): Assets {
  return {
    kind,
    libraryPath: at("native/build/libtelebridge.so"),
    demoPath: at("native/build/mountain_car"),
    agentPath: at("native/build/telebridge_agent"),
    keeperPath: at("native/build/telebridge_keeper"),
    bundlesDir: at("dist/assets"),
    licencePath: at("LICENSE"),
    noticesPath: at("dist/THIRD_PARTY_NOTICES.txt"),
    executable: at("bin/telebridge"),
    program: [
      ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--cached-only", "--frozen"],
      ...["--config", at("deno.json"), "--allow-all", at("main.ts")],
    ],
  };
}

function bundleAssets(): Assets {
  return {
    ...packedAssets(at("lib")),
    executable: Deno.env.get("TELEBRIDGE_EXECUTABLE") ?? Deno.execPath(),
    program: ["/usr/bin/env", `DENO_DIR=${at("deno")}`, ...ownCommand()],
  };
}

function compiledAssets(): Assets {
  const cache = unpackCompiled(at("."));
  return {
    ...packedAssets(join(cache, "lib")),
    executable: Deno.execPath(),
    program: [join(cache, COMPILED_PROGRAM)],
  };
}

function packedAssets(libDir: string): Omit<Assets, "executable" | "program"> {
  return {
    kind,
    libraryPath: join(libDir, "libtelebridge.so"),
    demoPath: join(libDir, "mountain_car"),
    agentPath: join(libDir, "telebridge_agent"),
    keeperPath: join(libDir, "telebridge_keeper"),
    bundlesDir: at("assets"),
    licencePath: at("LICENSE"),
    noticesPath: at("THIRD_PARTY_NOTICES.txt"),
  };
}

/** How Deno was started here, up to the program: the launcher knows best which flags that takes. */
function ownCommand(): string[] {
  const [, ...words] = Deno.readTextFileSync("/proc/self/cmdline").split("\0");
  const program = fileURLToPath(Deno.mainModule);
  return [Deno.execPath(), ...words.slice(0, words.indexOf(program)), program];
}

/**
 * To be called once, before anything else: what runs from a cache holds it, so that no other version removes it, and the
 * launcher's word to Deno about Deno's own folder is not handed on to whatever we start.
 */
export function settleIn(): void {
  if (kind !== "bundle") return;
  holdCache(at("."));
  const own = Deno.env.get("TELEBRIDGE_DENO_DIR");
  if (own === undefined) Deno.env.delete("DENO_DIR");
  else Deno.env.set("DENO_DIR", own);
}
