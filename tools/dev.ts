/**
 * `deno task dev [options of serve]`: serves the working tree; when sources change it builds what
 * they concern and, unless only the browser's changed, restarts the server. An open page reconnects
 * by itself.
 */
import { fileURLToPath } from "node:url";

/** Editors save in bursts; one round of work per burst is enough. */
const SETTLE_MS = 150;

const BROWSER_FOLDERS = ["islands", "viewer"];
const SERVER_FOLDERS = [
  "cli",
  "core",
  "ffi",
  "routes",
  "proto",
  "native/src",
  "native/agent",
  "native/include",
];

const root = fileURLToPath(new URL("..", import.meta.url));

function startServer(): Deno.ChildProcess {
  const args = ["serve", "--demo", ...Deno.args];
  return new Deno.Command(`${root}bin/telebridge`, { args, stdin: "null" }).spawn();
}

async function stopServer(server: Deno.ChildProcess): Promise<void> {
  try {
    server.kill("SIGINT");
  } catch {
    // It has ended by itself, and has said why.
  }
  await server.status;
}

async function build(): Promise<boolean> {
  return (await new Deno.Command("make", { args: ["-C", root, "build"] }).spawn().status).success;
}

if (import.meta.main) {
  let server = startServer();

  const apply = async (changed: string[]) => {
    console.error(`dev: ${changed.join(", ")}`);
    if (!await build()) return; // the compiler has said why; the old server goes on
    const inBrowser = (path: string) => BROWSER_FOLDERS.some((folder) => path.startsWith(folder));
    if (changed.every(inBrowser)) return;
    await stopServer(server);
    server = startServer();
  };

  const changed = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let working = Promise.resolve();
  const folders = [...BROWSER_FOLDERS, ...SERVER_FOLDERS].map((folder) => root + folder);

  Deno.addSignalListener("SIGINT", () => stopServer(server).then(() => Deno.exit(0)));

  for await (const event of Deno.watchFs(folders)) {
    if (event.kind === "access") continue;
    for (const path of event.paths) changed.add(path.slice(root.length));
    clearTimeout(timer);
    timer = setTimeout(() => {
      const burst = [...changed];
      changed.clear();
      working = working.then(() => apply(burst));
    }, SETTLE_MS);
  }
}
