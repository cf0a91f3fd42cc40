import assert from "node:assert/strict";
import { shell } from "../harness/command.ts";
import { TestBox } from "../harness/box.ts";

/** As a user who has no systemd of his own, and a home of his own. */
function alone(box: TestBox): string {
  return `export XDG_CONFIG_HOME='${box.folder}/con fig'; unset XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS;`;
}

function unitPath(box: TestBox): string {
  return `${box.folder}/con fig/systemd/user/telebridge.service`;
}

/** A systemctl that writes down what it is asked, for machines on which no systemd runs. */
async function withSystemctl(box: TestBox): Promise<string> {
  await Deno.mkdir(`${box.folder}/bin`);
  const script = `#!/bin/sh\necho "$*" >> '${box.folder}/asked'\n`;
  await Deno.writeTextFile(`${box.folder}/bin/systemctl`, script, { mode: 0o755 });
  return `${alone(box)} PATH='${box.folder}/bin':$PATH;`;
}

function asked(box: TestBox): string[] {
  return Deno.readTextFileSync(`${box.folder}/asked`).trim().split("\n");
}

Deno.test("service: --dry-run prints the unit with the flags of serve, and changes nothing", async () => {
  await using box = await TestBox.create();
  const { code, stdout, stderr } = await shell(
    box,
    `${alone(box)} TELEBRIDGE_LANE=jpeg telebridge service install --dry-run \\
       --data-dir '${box.folder}/da ta' --port 8080 --allow-host a --allow-host b --no-demo`,
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^ExecStart=".*\/bin\/telebridge" "serve" "--data-dir" ".*\/da ta" /m);
  assert.match(stdout, /"--port" "8080" "--allow-host" "a" "--allow-host" "b" "--no-demo"$/m);
  assert.match(stdout, /^Environment="TELEBRIDGE_LANE=jpeg"$/m);
  assert.match(stderr, /systemctl --user daemon-reload/);
  assert.throws(() => Deno.lstatSync(unitPath(box)), Deno.errors.NotFound);
});

Deno.test("service: what serve would refuse is refused at once", async () => {
  await using box = await TestBox.create();
  const ended = await shell(box, `${alone(box)} telebridge service install --host 0.0.0.0`);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /so TLS is required/);
});

Deno.test("service: where systemd does not answer it says so and what to do, and writes nothing", async () => {
  await using box = await TestBox.create();
  const ended = await shell(box, `${alone(box)} telebridge service install`);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /(there is no systemctl here|systemd --user does not answer)/);
  assert.match(ended.stderr, /tmux new -d -s telebridge 'telebridge serve'/);
  assert.throws(() => Deno.lstatSync(unitPath(box)), Deno.errors.NotFound);
});

Deno.test("service: install, status and uninstall are what systemctl is told", async () => {
  await using box = await TestBox.create();
  const before = await withSystemctl(box);
  const status = await shell(box, `${before} telebridge service status`);
  assert.equal(status.code, 1);
  assert.match(status.stderr, /is not installed \(telebridge service install does it\)/);
  const installed = await shell(box, `${before} telebridge service install --port 0`);
  assert.equal(installed.code, 0, installed.stderr);
  assert.match(await Deno.readTextFile(unitPath(box)), /"--port" "0"$/m);
  assert.deepEqual(asked(box).slice(-3), [
    "--user daemon-reload",
    "--user enable telebridge.service",
    "--user restart telebridge.service",
  ]);
  const running = await shell(box, `${before} telebridge service status`);
  assert.equal(running.code, 0, running.stderr);
  assert.match(running.stdout, new RegExp(`nothing serves ${box.dataDir}`));
  const gone = await shell(box, `${before} telebridge service uninstall`);
  assert.match(gone.stdout, /what is stored stays/);
  assert.throws(() => Deno.lstatSync(unitPath(box)), Deno.errors.NotFound);
  assert.deepEqual(asked(box).slice(-2), [
    "--user disable --now telebridge.service",
    "--user daemon-reload",
  ]);
});
