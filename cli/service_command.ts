/** `telebridge service`: `serve` kept running by systemd, for this user. */

import { Command } from "commander";
import { resolve } from "node:path";
import { locateAssets } from "../core/assets.ts";
import { findServer, makeDataDir } from "../core/data_dir.ts";
import { messageOf, UserError } from "../core/errors.ts";
import { CONFIG_FLAG, CONFIG_HELP, configOf } from "./config_file.ts";
import { DATA_DIR_FLAG, DATA_DIR_HELP, dataDirOf } from "./data_dir_option.ts";
import { checkSystemd, lingers, systemctl, tryRun, unitFolder } from "./service/systemd.ts";
import { UNIT_NAME, unitText } from "./service/unit.ts";
import { addSettingOptions, givenArguments, settingVariables } from "./setting_options.ts";

const EXAMPLES = `
Examples:
  telebridge service install                       serve now, and whenever you log in
  telebridge service install --port 8080 --view-token
  telebridge service install --dry-run             print the unit, change nothing
  telebridge service status
  journalctl --user -u telebridge -f               its log
  telebridge token                                 the URL to open
  telebridge service uninstall                     stops it; what is stored stays

install takes the flags of serve, and keeps what TELEBRIDGE_… says now. Again, it changes the unit and
restarts the service. It goes on after you log out once you have said: loginctl enable-linger
`;

interface InstallOptions {
  dataDir?: string;
  config?: string;
  dryRun?: boolean;
}

export function serviceCommand(onExitCode: (code: number) => void): Command {
  const service = new Command("service")
    .description("Keep serve running by systemd, as a service of this user.")
    .addHelpText("after", EXAMPLES);
  const install = new Command("install")
    .description("Write the unit, start it, and start it whenever you log in.")
    .option(DATA_DIR_FLAG, DATA_DIR_HELP)
    .option(CONFIG_FLAG, CONFIG_HELP)
    .option("--dry-run", "print the unit and what would be done, and change nothing");
  addSettingOptions(install);
  service.addCommand(install.action(() => installUnit(install)));
  service.addCommand(
    new Command("uninstall").description("Stop the service and remove its unit.")
      .action(uninstallUnit),
  );
  service.addCommand(
    new Command("status").description("Tell whether it is installed, runs, and where.")
      .option(DATA_DIR_FLAG, DATA_DIR_HELP)
      .action(async ({ dataDir }: { dataDir?: string }) => {
        onExitCode(await showStatus(dataDirOf(dataDir)));
      }),
  );
  return service;
}

async function installUnit(command: Command): Promise<void> {
  const { dataDir: flag, config, dryRun } = command.opts<InstallOptions>();
  const dataDir = dataDirOf(flag);
  // What serve would refuse is refused here, and not in a journal.
  configOf(command, dataDir);
  const environment = Deno.env.toObject();
  const path = `${unitFolder(environment)}/${UNIT_NAME}`;
  const text = unitText({
    command: [
      locateAssets().executable,
      "serve",
      ...["--data-dir", dataDir],
      ...(config === undefined ? [] : ["--config", resolve(config)]),
      ...givenArguments(command),
    ],
    environment: {
      ...settingVariables(environment),
      // Where a clone's packages are.
      ...(environment.DENO_DIR === undefined ? {} : { DENO_DIR: environment.DENO_DIR }),
    },
  });
  const steps = [["daemon-reload"], ["enable", UNIT_NAME], ["restart", UNIT_NAME]];
  if (dryRun) {
    Deno.stdout.writeSync(new TextEncoder().encode(text));
    const commands = steps.map((step) => `  systemctl --user ${step.join(" ")}`);
    console.error([`this would be ${path}, and then:`, ...commands].join("\n"));
    return;
  }
  await checkSystemd();
  makeDataDir(dataDir);
  writeUnit(path, text);
  for (const step of steps) await systemctl(...step);
  console.log(`installed ${path} and started it`);
  console.log("  telebridge token                   the URL to open");
  console.log("  journalctl --user -u telebridge    its log");
  if (await lingers() === false) {
    console.log("It stops when you log out. To let it run on: loginctl enable-linger");
  }
}

function writeUnit(path: string, text: string): void {
  try {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text);
  } catch (error) {
    throw new UserError(`cannot write ${path}: ${messageOf(error)}`);
  }
}

function isInstalled(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

async function uninstallUnit(): Promise<void> {
  const path = `${unitFolder(Deno.env.toObject())}/${UNIT_NAME}`;
  if (!isInstalled(path)) throw new UserError(`nothing is installed: there is no ${path}`);
  // The unit goes even where systemd has gone before it.
  await tryRun("systemctl", "--user", "disable", "--now", UNIT_NAME);
  Deno.removeSync(path);
  await tryRun("systemctl", "--user", "daemon-reload");
  console.log(`stopped the service and removed ${path}; what is stored stays where it is`);
}

/** The exit code is systemctl's: 0 when it runs, 3 when it does not. */
async function showStatus(dataDir: string): Promise<number> {
  const path = `${unitFolder(Deno.env.toObject())}/${UNIT_NAME}`;
  const server = await findServer(dataDir);
  const serves = server === null
    ? `nothing serves ${dataDir}`
    : `process ${server.pid} serves ${server.url} from ${dataDir}`;
  if (!isInstalled(path)) {
    throw new UserError(
      `the service is not installed (telebridge service install does it); ${serves}`,
    );
  }
  await checkSystemd();
  const ended = await tryRun("systemctl", "--user", "--no-pager", "status", UNIT_NAME);
  console.log(ended!.text);
  console.log(`\n${serves}`);
  if (await lingers() === false) {
    console.log("It stops when you log out; loginctl enable-linger lets it run on.");
  }
  return ended!.code;
}
