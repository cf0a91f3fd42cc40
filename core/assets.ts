/** Where the files that come with the program are. */

import { fileURLToPath } from "node:url";

export interface Assets {
  /** The native library. */
  libraryPath: string;
  /** The demo worker's executable. */
  demoPath: string;
  /** Folder of the bundled islands: scripts, styles. */
  bundlesDir: string;
  /** What a person starts, for whoever writes it down. It may be replaced by another version at any time. */
  executable: string;
  /** This program, for other processes of it: the executable and its first arguments. */
  program: readonly string[];
}

/** The files of a clone, as `make build` leaves them. */
export function locateAssets(): Assets {
  const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
  return {
    libraryPath: at("native/build/libtelebridge.so"),
    demoPath: at("native/build/mountain_car"),
    bundlesDir: at("dist/assets"),
    executable: at("bin/telebridge"),
    program: [
      ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--cached-only", "--frozen"],
      ...["--config", at("deno.json"), "--allow-all", at("main.ts")],
    ],
  };
}
