/** Agents with real processes under a real server. */

import assert from "node:assert/strict";
import { databasePath, openReader } from "../../core/storage/open.ts";
import type { AgentsAnswer } from "../../proto/agents.ts";
import { AgentServer, writeConfig } from "../harness/agents.ts";
import { TestBox } from "../harness/box.ts";
import { shell, startTelebridge, telebridge } from "../harness/command.ts";
import { FAMILY, FAMILY_SIZE } from "../harness/kept.ts";
import { LineReader } from "../harness/line_reader.ts";
import { alive, childOf, parentOf } from "../harness/processes.ts";
import { waitFor } from "../harness/wait.ts";

/** Prints its family's pids, and then one line more for each line of the file `say`. */
const TALKER = `${FAMILY}
echo "run $TELEBRIDGE_RUN, token <$TELEBRIDGE_TOKEN>" >&2
tail -n +1 -F "$SAY"`;

function talker(box: TestBox): string {
  const command = JSON.stringify(["bash", "-c", TALKER]);
  return `[agents.talker]\ncommand = ${command}\nhang-timeout = 0\nstop-grace = 0.3\n` +
    `env = { SAY = "${box.folder}/say" }\n`;
}

const IDLE = `[agents.idle]\ncommand = ["sleep", "1000"]\nhang-timeout = 0\nautostart = false\n`;

/** Lines of its log as they are stored. */
function logsOf(box: TestBox, runId: string): { source: string; text: string }[] {
  using reader = openReader(databasePath(box.dataDir));
  return reader?.lastLogs(runId, 1000).rows ?? [];
}

/** Of its processes, the first that it had. */
async function familyOf(box: TestBox, runId: string, life = 0): Promise<number[]> {
  const pids = () =>
    logsOf(box, runId).filter(({ source, text }) => source === "stdout" && /^\d+$/.test(text))
      .map(({ text }) => Number(text)).slice(life * FAMILY_SIZE, (life + 1) * FAMILY_SIZE);
  await waitFor(`the pids of life ${life}`, () => pids().length === FAMILY_SIZE, pids);
  return pids();
}

Deno.test("agents: killed, it comes back at once; its words and its ends are in the log of its run", async () => {
  await using box = await TestBox.create();
  Deno.writeTextFileSync(`${box.folder}/say`, "");
  const server = await AgentServer.start(box, talker(box) + IDLE, {
    environment: { TELEBRIDGE_TOKEN: "secret" },
  });
  const first = await server.running("talker");
  await familyOf(box, "talker");
  Deno.kill(first.pid!, "SIGKILL");
  const second = await server.until(
    "talker",
    "to run again",
    ({ state, pid }) => state === "running" && pid !== first.pid,
  );
  assert.equal(second.restarts, 1);
  assert.match(second.lastEnd!.text, /SIGKILL/);
  await familyOf(box, "talker", 1);

  const logs = logsOf(box, "talker");
  const said = (source: string) => logs.filter((line) => line.source === source);
  assert.deepEqual(said("stderr").map(({ text }) => text), [
    ...["run talker, token <>", "run talker, token <>"],
  ]);
  const notes = said("supervisor").map(({ text }) => text);
  assert.match(notes[0]!, new RegExp(`^started as process ${first.pid} `));
  assert.match(notes[1]!, /SIGKILL.*; it starts again in 0\.1 s$/);

  // What people see.
  const { stdout } = await telebridge(box, "agents");
  const [header, talkerRow, idleRow, ...rest] = stdout.trimEnd().split("\n");
  assert.match(header!, /^AGENT +STATE +PID +UP +RESTARTS +FPS +CPU +MEMORY +GPU +SOURCE +NOTE$/);
  assert.match(talkerRow!, new RegExp(`^talker +running +${second.pid} .* 1 .* ring$`));
  assert.match(idleRow!, /^idle +stopped +0 +ring$/);
  assert.deepEqual(rest, []);
  // And programs.
  const { stdout: json } = await telebridge(box, "agents", "ls", "--json");
  const [status] = (JSON.parse(json) as AgentsAnswer).agents;
  assert.partialDeepStrictEqual(status!, { name: "talker", pid: second.pid, restarts: 1 });
  assert.equal(status!.command[0], "bash");

  // The log, followed through a pipe; the ingest process dies on the way.
  const following = startTelebridge(box, "agents", "logs", "talker", "-f", "-n", "1");
  const lines = new LineReader(following.stdout);
  await lines.next("the last line so far");
  const say = (text: string) =>
    Deno.writeTextFileSync(`${box.folder}/say`, `${text}\n`, { append: true });
  say("before");
  assert.match(await lines.next("a line"), /^20.*Z stdout {5}before$/);
  Deno.kill(childOf(server.serve.pid, "ingest")!, "SIGKILL");
  say("while it is down");
  assert.match(await lines.next("the line of meanwhile"), / while it is down$/);
  following.kill("SIGINT");
  assert.equal((await following.status).signal, "SIGINT");
  const piped = await shell(
    box,
    "telebridge agents logs talker --json | head -n 1 | jq -r .source",
  );
  assert.deepEqual([piped.code, piped.stdout, piped.stderr], [0, "supervisor\n", ""]);
});

Deno.test("agents: a stop ends all that one has started, and its run; a start goes on with the run", async () => {
  await using box = await TestBox.create();
  Deno.writeTextFileSync(`${box.folder}/say`, "");
  const server = await AgentServer.start(box, talker(box) + IDLE);
  await server.running("talker");
  const family = await familyOf(box, "talker");
  assert.deepEqual(alive(family), family);
  const record = () => {
    using reader = openReader(databasePath(box.dataDir));
    return reader!.run("talker")!;
  };
  assert.equal(record().state, "running");
  assert.partialDeepStrictEqual(JSON.parse(record().metadataJson), {
    agent: { command: ["bash", "-c", TALKER] },
  });

  const stopped = await telebridge(box, "agents", "stop", "talker", "idle");
  assert.deepEqual([stopped.code, stopped.stderr], [0, ""]);
  assert.match(stopped.stdout, /^talker stopped: .*\nidle stopped\n$/);
  assert.deepEqual(alive(family), []);
  await waitFor("the run's end", () => record().state === "finished", record);
  const started = await telebridge(box, "agents", "start", "--all");
  assert.match(started.stdout, /^talker running \(process \d+\)\nidle running \(process \d+\)\n$/);
  await waitFor("the run to go on", () => record().state === "running", record);

  // A server that is killed leaves nothing. What a keeper that is stopped cannot end, the next server does, and first.
  const again = await familyOf(box, "talker", 1);
  const [talkerNow, idle] = [await server.agent("talker"), await server.agent("idle")];
  Deno.kill(parentOf(talkerNow.pid!), "SIGSTOP");
  await server.serve.kill();
  await waitFor("all of one to end", () => alive([idle.pid!]).length === 0);
  assert.deepEqual(alive(again), again);
  const next = await AgentServer.start(box, talker(box));
  await next.running("talker");
  assert.deepEqual(alive(again), []);
});

Deno.test("agents: what cannot be done is said so that one knows what to do", async () => {
  await using box = await TestBox.create();
  const said = async (...args: string[]) => {
    const { code, stderr } = await telebridge(box, "agents", ...args);
    assert.equal(code, 1, stderr);
    return stderr;
  };
  assert.match(await said(), /^telebridge: nothing serves .*; telebridge serve does/);
  assert.match(await said("logs", "a"), /no run has been stored/);
  writeConfig(box, '[agents.a]\ncomand = ["x"]');
  const refused = await telebridge(box, "serve", "--data-dir", box.dataDir);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^telebridge: \[agents\.a\] in .*"comand"; did you mean command\?\n$/,
  );

  const bad = '[agents.bad]\ncommand = ["/no/such/program"]\nrestart = "never"\n';
  const server = await AgentServer.start(box, bad + IDLE, { args: ["--view-token"] });
  await server.until("bad", "to fail", ({ state }) => state === "failed");
  const failed = await telebridge(box, "agents", "restart", "bad");
  assert.match(failed.stdout, /^bad failed: .*ENOENT/);
  assert.equal(failed.code, 1);
  assert.match(await said("stop", "idel"), /there is no agent "idel"; did you mean idle\?/);
  assert.match(await said("start", "idle", "idel"), /there is no agent "idel"/);
  assert.equal((await server.agent("idle")).state, "stopped");
  assert.match(await said("logs", "idel"), /nothing is stored of an agent "idel"/);
  assert.match(await said("stop"), /name agents, or say --all/);
  writeConfig(box, '[agents.idle]\ncommand = "sleep 1"');
  assert.match(await said("reload"), /"agents\.idle\.command" in .* expected a list/);
  writeConfig(box, IDLE.replace("false", "true"));
  const reloaded = await telebridge(box, "agents", "reload");
  assert.deepEqual([reloaded.stdout, reloaded.code], ["changed: idle\nremoved: bad\n", 0]);

  // Who may do what.
  const { origin, ready } = server.serve;
  const status = async (method: string, path: string, headers: Record<string, string>) => {
    const response = await fetch(origin + path, { method, headers });
    await response.body?.cancel();
    return response.status;
  };
  const control = { authorization: `Bearer ${ready.token}` };
  const view = { authorization: `Bearer ${ready.viewToken}` };
  assert.equal(await status("GET", "/api/agents", {}), 401);
  assert.equal(await status("GET", "/api/agents", view), 200);
  assert.equal(await status("POST", "/api/agents/idle/stop", {}), 401);
  assert.equal(await status("POST", "/api/agents/idle/stop", view), 403);
  assert.equal(await status("POST", "/api/agents/reload", view), 403);
  const foreign = { ...control, origin: "https://elsewhere.example" };
  assert.equal(await status("POST", "/api/agents/idle/stop", foreign), 403);
  assert.equal(await status("GET", "/api/agents/idle/stop", control), 405);
  assert.equal(await status("POST", "/api/agents", control), 405);
  assert.equal(await status("POST", "/api/agents/idle/explode", control), 404);
  assert.equal(await status("POST", "/api/agents/nobody/stop", control), 404);
  assert.equal(await status("POST", "/api/agents/idle/stop", control), 200);
  const metrics = await (await server.serve.fetch("/metrics")).text();
  assert.match(metrics, /^telebridge_agent_state\{agent="idle",state="stopp/m);
});

Deno.test("agents: the command line reaches a server by HTTPS, under a name that this machine does not know", async () => {
  await using box = await TestBox.create();
  await AgentServer.start(box, IDLE, {
    args: ["--host=0.0.0.0", "--tls=self-signed", "--allow-host=gpu-box.invalid"],
  });
  const { stdout, stderr } = await telebridge(box, "agents", "start", "idle");
  assert.match(stdout, /^idle running /, stderr);
});
