import assert from "node:assert/strict";
import { unitFolder } from "../../cli/service/systemd.ts";
import { unitText } from "../../cli/service/unit.ts";
import { UserError } from "../../core/errors.ts";
import { TestBox } from "../harness/box.ts";

const AWKWARD = `te le%n"b\\$HOME`;

/** What systemd says of a unit; null where it is not installed. */
async function verify(box: TestBox, text: string): Promise<Deno.CommandOutput | null> {
  const path = `${box.folder}/telebridge.service`;
  await Deno.writeTextFile(path, text);
  try {
    return await new Deno.Command("systemd-analyze", {
      args: ["--user", "verify", path],
      env: { XDG_RUNTIME_DIR: `${box.folder}/runtime`, HOME: box.folder },
    }).output();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

Deno.test("service unit: every word is one word to systemd, whatever stands in it", () => {
  const text = unitText({
    command: [`/opt/${AWKWARD}`, "serve", "--data-dir", AWKWARD],
    environment: { TELEBRIDGE_RUNTIME_DIR: "/run/a b%c" },
  });
  // The program's path knows no variables; its arguments do, so there $ is doubled (systemd.service(5)).
  const start = String
    .raw`ExecStart="/opt/te le%%n\"b\\$HOME" "serve" "--data-dir" "te le%%n\"b\\$$HOME"`;
  assert(text.split("\n").includes(start), text);
  assert(text.includes(`Environment="TELEBRIDGE_RUNTIME_DIR=/run/a b%%c"`));
  assert(text.includes("Restart=on-failure\n"));
  assert(text.includes(`Delegate=memory pids\nEnvironment="TELEBRIDGE_CGROUP=delegated"\n`));
});

Deno.test("service unit: a line feed, which would be another line of the unit, is refused", () => {
  const command = ["/bin/telebridge", "--data-dir", "/tmp/a\nExecStartPost=/bin/evil"];
  assert.throws(() => unitText({ command, environment: {} }), UserError);
});

Deno.test("service unit: systemd reads it, and finds the program on its awkward path", async () => {
  await using box = await TestBox.create();
  const program = `${box.folder}/te le%bridge`;
  await Deno.writeTextFile(program, "#!/bin/sh\n", { mode: 0o755 });
  const text = (path: string) => unitText({ command: [path, "serve"], environment: { A: "b c" } });
  const ended = await verify(box, text(program));
  if (ended === null) return console.log("SKIP: systemd-analyze is not installed");
  const said = (output: Deno.CommandOutput) => new TextDecoder().decode(output.stderr);
  assert.deepEqual([ended.code, said(ended)], [0, ""]);
  const missing = await verify(box, text(`${program}-gone`));
  assert.match(said(missing!), /te le%bridge-gone is not executable/);
});

Deno.test("service unit: it lies where systemd looks for this user's", () => {
  assert.equal(unitFolder({ HOME: "/home/u" }), "/home/u/.config/systemd/user");
  assert.equal(unitFolder({ HOME: "/home/u", XDG_CONFIG_HOME: "/c" }), "/c/systemd/user");
  assert.throws(() => unitFolder({}), UserError);
});
