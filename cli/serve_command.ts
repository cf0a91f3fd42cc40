/** `telebridge serve`. */

import { Command } from "commander";
import { locateAssets } from "../core/assets.ts";
import { dataDirId, DataDirLock, makeDataDir, readFileIfAny } from "../core/data_dir.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { configureLogging } from "../core/logging.ts";
import type { Settings } from "../core/settings.ts";
import { controlTokenPath, loadToken, viewTokenPath } from "../core/tokens.ts";
import { VERSION } from "../core/version.ts";
import { Library } from "../ffi/library.ts";
import { type RunningServer, serve } from "../routes/serve.ts";
import { CONFIG_FLAG, CONFIG_HELP, configOf } from "./config_file.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { DemoWorker } from "./demo_worker.ts";
import { addSettingOptions, environmentHelp } from "./setting_options.ts";
import { stopRequested } from "./stop_signal.ts";
import { surviveRejections } from "./survive_rejections.ts";

const EXAMPLES = `
Examples:
  telebridge serve --demo                      something to look at, at once
  telebridge serve --port 0 --json             any free port; the URL for a program to read
  telebridge serve --view-token                also a URL that can watch but not touch
  telebridge serve --host 0.0.0.0 --tls self-signed --allow-host gpu-box.lan
                                               for other machines
  ssh -L 7447:127.0.0.1:7447 gpu-box           from elsewhere without any of that: open the
                                               URL that serve printed there

The configuration file (--config, else telebridge.toml in the data directory) has the flags' names as
keys: port = 8080, allow-host = ["gpu-box.lan"]. It alone says which agents to keep running, a table
[agents.NAME] each: telebridge agents --help.
`;

export function serveCommand(): Command {
  const command = new Command("serve")
    .description("Serve all runs on this machine to browsers, until Ctrl-C.")
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .addHelpText("after", () => `${EXAMPLES}\n${environmentHelp()}`);
  addSettingOptions(command);
  return command.action(() => run(command));
}

async function run(command: Command): Promise<void> {
  const dataDir = dataDirOf(command.opts<{ dataDir?: string }>().dataDir);
  const { settings, agents } = configOf(command, dataDir);
  await configureLogging(settings.logLevel);
  const assets = locateAssets();
  makeDataDir(dataDir);
  using lock = await DataDirLock.take(dataDir);
  using library = openLibrary(assets.libraryPath);
  checkVersion(library);
  checkRuntimeDir(library);
  const controlToken = loadToken(controlTokenPath(dataDir));
  const viewToken = viewTokenOf(dataDir, settings);
  const stop = stopRequested();
  surviveRejections();
  const server = await serve({
    settings,
    dataDir,
    dataDirId: dataDirId(dataDir),
    controlToken,
    viewToken,
    library,
    bundlesDir: assets.bundlesDir,
    libraryPath: assets.libraryPath,
    program: assets.program,
    agents: {
      configs: agents,
      reread: () => configOf(command, dataDir).agents,
      agentPath: assets.agentPath,
      keeperPath: assets.keeperPath,
      environment: Deno.env.toObject(),
    },
  });
  const { url, localHost, certificatePem } = server;
  lock.writeInfo({ pid: Deno.pid, url, localHost, certificatePem });
  const { demoPath: path, program } = assets;
  const demo = settings.demo ? DemoWorker.start({ path, program, dataDir }) : null;
  announce(settings, server, { dataDir, controlToken, viewToken });
  await stop;
  await demo?.stop();
  await server.stop();
}

function openLibrary(path: string): Library {
  try {
    return Library.open(path);
  } catch (error) {
    throw new UserError(messageOf(error));
  }
}

/** A library of another version has other structs. */
function checkVersion(library: Library): void {
  if (library.version === VERSION) return;
  throw new UserError(
    `the native library is ${library.version}, this program ${VERSION}; make build makes them agree`,
  );
}

/** Without a safe folder for sockets no run could be controlled, so better no server. */
function checkRuntimeDir(library: Library): void {
  try {
    library.runtimeDir();
  } catch (error) {
    throw new UserError(`${messageOf(error)} (TELEBRIDGE_RUNTIME_DIR names another)`);
  }
}

/** A token that may watch exists once it was asked for, and stays good. */
function viewTokenOf(dataDir: string, settings: Settings): string | null {
  const path = viewTokenPath(dataDir);
  return settings.viewToken || readFileIfAny(path) !== null ? loadToken(path) : null;
}

/** The one line on stdout that says: ready. */
function announce(
  settings: Settings,
  server: RunningServer,
  secrets: { dataDir: string; controlToken: string; viewToken: string | null },
): void {
  const url = withToken(server.url, secrets.controlToken);
  const viewUrl = settings.viewToken && secrets.viewToken !== null
    ? withToken(server.url, secrets.viewToken)
    : null;
  if (settings.json) {
    console.log(JSON.stringify({
      url,
      token: secrets.controlToken,
      port: server.port,
      webTransportPort: server.webTransportPort,
      grpcPort: server.grpcPort,
      ...(viewUrl === null ? {} : { viewUrl, viewToken: secrets.viewToken }),
      dataDir: secrets.dataDir,
      pid: Deno.pid,
      version: VERSION,
    }));
    return;
  }
  console.log(`telebridge is ready: ${url}`);
  if (viewUrl !== null) console.log(`to watch only:       ${viewUrl}`);
}

export function withToken(url: string, token: string): string {
  return `${url}?token=${token}`;
}
