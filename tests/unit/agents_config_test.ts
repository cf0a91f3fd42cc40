import assert from "node:assert/strict";
import { parseAgents } from "../../core/agents/config.ts";
import { UserError } from "../../core/errors.ts";
import { parseConfigFile, resolveSettings } from "../../core/settings.ts";

const path = "/etc/boxes/telebridge.toml";

function parse(text: string) {
  return parseAgents(parseConfigFile({ path, text }).agents, path);
}

Deno.test("agents in the file: without a command it is ours, and what is not said has a default", () => {
  const [agent, ...others] = parse("[agents.cam0]\n");
  assert.deepEqual(others, []);
  assert.deepEqual(agent, {
    name: "cam0",
    command: null,
    source: {
      ...{ kind: "agent", path: null, display: null, xvfb: null },
      ...{ pipeline: null, input: null, device: null },
    },
    env: {},
    cwd: "/etc/boxes",
    gpu: null,
    restart: "always",
    autostart: true,
    stopGraceMs: 5000,
    memoryMaxBytes: null,
    hangTimeoutMs: 5000,
    frozenTimeoutMs: null,
    blackTimeoutMs: null,
    width: null,
    height: null,
    fps: null,
    bitrateKbps: null,
    gopSeconds: null,
    encoder: "auto",
  });
});

Deno.test("agents in the file: every key arrives, in the units of the program", () => {
  const [agent] = parse(`
    port = 1
    [agents.trainer]
    command = ["python", "train.py", ""]
    source = { kind = "exec", xvfb = "640x360" }
    env = { SEED = 7, FAST = true, NAME = "a b" }
    cwd = "sims"
    gpu = 1
    restart = "on-failure"
    autostart = false
    stop-grace = 0.5
    memory-max = "1.5 GiB"
    hang-timeout = 0
    frozen-timeout = 3
    black-timeout = 4
    width = 640
    height = 360
    fps = 30
    bitrate = 2000
    gop = 1.5
    encoder = "x264"
  `);
  assert.ok(agent);
  assert.deepEqual(agent.command, ["python", "train.py", ""]);
  assert.equal(agent.source.kind, "exec");
  assert.equal(agent.source.xvfb, "640x360");
  assert.deepEqual(agent.env, { SEED: "7", FAST: "true", NAME: "a b" });
  assert.equal(agent.cwd, "/etc/boxes/sims");
  const { gpu, restart, autostart, stopGraceMs, memoryMaxBytes } = agent;
  assert.deepEqual({ gpu, restart, autostart, stopGraceMs, memoryMaxBytes }, {
    ...{ gpu: 1, restart: "on-failure", autostart: false },
    ...{ stopGraceMs: 500, memoryMaxBytes: 1.5 * 2 ** 30 },
  });
  const { hangTimeoutMs, frozenTimeoutMs, blackTimeoutMs, encoder } = agent;
  assert.deepEqual({ hangTimeoutMs, frozenTimeoutMs, blackTimeoutMs, encoder }, {
    ...{ hangTimeoutMs: null, frozenTimeoutMs: 3000, blackTimeoutMs: 4000, encoder: "x264" },
  });
  const { width, height, fps, bitrateKbps, gopSeconds } = agent;
  assert.deepEqual([width, height, fps, bitrateKbps, gopSeconds], [640, 360, 30, 2000, 1.5]);
});

Deno.test("agents in the file: a program that publishes by itself is given time, a capture is not", () => {
  const [program, capture, slow] = parse(`
    [agents.program]
    command = ["./sim"]
    [agents.capture]
    source = "x11grab"
    [agents.slow]
    source = "x11grab"
    fps = 0.25
  `);
  assert.equal(program!.source.kind, "ring");
  assert.equal(program!.hangTimeoutMs, 60_000);
  assert.equal(capture!.hangTimeoutMs, 5_000);
  assert.equal(slow!.hangTimeoutMs, 12_000, "the time of three pictures");
});

Deno.test("agents in the file: a backend is the kind of a source whose other keys stand in its table", () => {
  const [desktop, camera] = parse(`
    [agents.desktop]
    command = ["xterm"]
    backend = "auto"
    source = { xvfb = "1280x720" }
    [agents.camera]
    backend = "ffmpeg"
    source = { kind = "ffmpeg", input = ["-i", "rtsp://camera"] }
  `);
  assert.equal(desktop!.source.kind, "auto");
  assert.equal(desktop!.source.xvfb, "1280x720");
  assert.equal(camera!.source.kind, "ffmpeg");
});

const refused: [what: string, text: string, message: RegExp][] = [
  ["no tables", "agents = 3", /^"agents" in .*\.toml is no table: write \[agents\.NAME\]/],
  ["an agent that is no table", "[agents]\na = 1", /^"agents\.a" in .* is no table/],
  ["a name", '[agents."a b"]', /^\[agents\.a b\] in .*: an agent's name is its run's id/],
  [
    "a near key",
    "[agents.a]\ncomand = ['x']",
    /^\[agents\.a\] .*key "comand"; did you mean command\?$/,
  ],
  ["a far key", "[agents.a]\nzzzzzzz = 1", /unknown key "zzzzzzz"; known are command, source/],
  ["a key of Object's", "[agents.a]\nconstructor = 1", /unknown key "constructor"/],
  [
    "a line for a shell",
    "[agents.a]\ncommand = 'python x.py'",
    /^"agents\.a\.command" .*a list of/,
  ],
  ["no program", "[agents.a]\ncommand = []", /command" in .* is \[\], expected a list/],
  ["a size without unit", "[agents.a]\nmemory-max = 2048", /memory-max" .* is 2048, .*"2GiB"/],
  [
    "a size of too much",
    "[agents.a]\nmemory-max = '9999999TiB'",
    /memory-max" .* a size from 1 MiB/,
  ],
  ["a size of little", "[agents.a]\nmemory-max = '3kB'", /memory-max" .* is "3kB", .*1 MiB/],
  ["a time", "[agents.a]\nhang-timeout = '5s'", /hang-timeout" .*expected seconds from 0 \(off\)/],
  ["a policy", "[agents.a]\nrestart = 'maybe'", /expected "always", "on-failure" or "never"$/],
  [
    "an odd width",
    "[agents.a]\nwidth = 641",
    /"agents\.a\.width" .* is 641, expected pixels, an even/,
  ],
  ["more than we draw", "[agents.a]\nheight = 4098", /"agents\.a\.height" .*from 64 to 4096$/],
  ["a rate of ours", "[agents.a]\nfps = 0.5", /"agents\.a\.fps" .*, from 1 to 240$/],
  ["a variable", "[agents.a]\nenv = { 'A B' = '1' }", /"agents\.a\.env" .*expected a table/],
  [
    "a source",
    "[agents.a]\nsource = 'camera'",
    /"agents\.a\.source" .* is "camera", expected "ring",/,
  ],
  ["a source's kind", "[agents.a]\nsource = { kind = 'x' }", /^"agents\.a\.source\.kind" in/],
  ["a source's key", "[agents.a]\nsource = { paht = 'x' }", /^\[agents\.a\.source\] .*mean path\?/],
  [
    "a backend beside another kind",
    "[agents.a]\nsource = 'gst'\nbackend = 'ffmpeg'",
    /backend "ffmpeg" and source "gst" are two kinds/,
  ],
  ["a command of ours", "[agents.a]\nsource = 'agent'\ncommand = ['x']", /takes no command/],
  ["nothing to execute", "[agents.a]\nsource = 'exec'", /source "exec" needs a command/],
  [
    "a display that nobody captures",
    "[agents.a]\ncommand = ['x']\nsource = { xvfb = '640x360' }",
    /source "ring" takes no xvfb; with it, kind is "exec", "gst", "ffmpeg", "x11grab", "vaapi" or/,
  ],
  ["an Xvfb of no size", "[agents.a]\nsource = { kind = 'gst', xvfb = '8x8' }", /from 16x16 to/],
  ["no FIFO", "[agents.a]\nsource = 'fifo'", /source "fifo" needs its path/],
];

for (const [what, text, message] of refused) {
  Deno.test(`agents in the file: ${what} is refused, with a word on what to write`, () => {
    assert.throws(() => parse(text), (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("agents in the file: settings stand beside them", () => {
  const text = "port = 9\n[agents.a]\n";
  assert.equal(resolveSettings({ flags: {}, environment: {}, file: { path, text } }).port, 9);
  assert.throws(
    () => resolveSettings({ flags: {}, environment: {}, file: { path, text: "agent = 1" } }),
    /unknown key "agent"; known are .*\[agents\.NAME\]/,
  );
});

Deno.test("agents in the file: the example has one of each kind, and only programs that are there", async () => {
  const file = new URL("../../examples/agents.toml", import.meta.url);
  const agents = parse(await Deno.readTextFile(file));
  assert.deepEqual(agents.map(({ source }) => source.kind), ["agent", "ring", "exec", "auto"]);
  const [program] = agents.flatMap(({ command }) => command ?? []);
  assert((await Deno.stat(new URL(program!, file))).isFile);
});
