/** go2rtc's configuration: what go2rtc reads from it are the words that were meant. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { execSource, NotForGo2rtc } from "../../cli/go2rtc/command_line.ts";
import { composeFile, go2rtcConfig } from "../../cli/go2rtc/documents.ts";
import { streamsOf } from "../../cli/go2rtc/streams.ts";
import { parseAgents } from "../../core/agents/config.ts";

const PLACE = { executable: "/opt/telebridge", fifoDir: "/run/tb", isContainer: false };
const END = "#killsignal=15#killtimeout=5";

/** As go2rtc 1.9.13 does it (pkg/shell, QuoteSplit): quotes only around whole words, and no escapes. */
function wordsOf(command: string): string[] {
  const words: string[] = [];
  for (let rest = command; rest !== "";) {
    const quoted = /^(["'])(.+?)\1/s.exec(rest);
    const plain = /^[^\t\n\r ]+/.exec(rest);
    if (quoted !== null) words.push(quoted[2]!);
    else if (plain !== null) words.push(plain[0]);
    rest = rest.slice(Math.max(1, (quoted ?? plain)?.[0].length ?? 1));
  }
  return words;
}

/** The streams, as a parser of YAML and go2rtc's own replacing of variables leave them. */
function streamsIn(document: string): Record<string, string> {
  const replaced = document.replaceAll(/\$\{[^}{]+\}/g, "REPLACED");
  const lines = replaced.split("\n").filter((line) => !line.trim().startsWith("#"));
  const rows = lines.slice(lines.indexOf("streams:") + 1).filter((line) => line !== "");
  return JSON.parse(`{${rows.map((row) => row.trim()).join(",")}}`);
}

function agentsOf(table: Record<string, unknown>) {
  return parseAgents(table, "/etc/telebridge.toml");
}

const word = fc.string({ unit: fc.constantFrom(..."ab '\"$\\{}:%é😀") });

Deno.test("go2rtc: every command arrives word by word, or is refused", () => {
  let told = 0;
  fc.assert(fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), (command) => {
    const [agent] = agentsOf({ cam: { command: ["cmd", ...command], source: "exec" } });
    const { streams, leftOut } = streamsOf([agent!], "exec", PLACE);
    if (streams.length === 0) {
      assert.match(leftOut[0]!.why, /empty word|both kinds of quotes/);
      return;
    }
    told++;
    const read = streamsIn(go2rtcConfig({ streams, leftOut })).cam!;
    assert(read.startsWith("exec:") && read.endsWith(END));
    const words = wordsOf(read.slice("exec:".length, -END.length));
    const wrapped = ["env", "-C", "/etc", "/opt/telebridge", "mpegts", "--", "cmd"];
    assert.deepEqual(words, [...wrapped, ...command]);
  }));
  assert(told > 0);
});

Deno.test("go2rtc: what it would take for its own is refused, with a way out", () => {
  for (const bad of ["a#b", "{output}", "line\nbreak", "line\u2028break", "", `it's "so"  `]) {
    assert.throws(() => execSource(["cmd", bad]), (error) => {
      assert(error instanceof NotForGo2rtc);
      assert.match(error.message, /use a script/);
      return true;
    });
  }
});

Deno.test("go2rtc: an agent's options, its variables, and why others are left out", () => {
  const agents = agentsOf({
    robot: { width: 640, height: 360, fps: 30, gpu: 1, encoder: "x264", env: { SEED: 7 } },
    desk: { source: "x11grab" },
    sim: { command: ["./sim"] },
  });
  const { streams, leftOut } = streamsOf(agents, "exec", PLACE);
  assert.deepEqual(streams.map(({ source }) => source), [
    "exec:env SEED=7 /opt/telebridge agent --mpegts " +
    `--width 640 --height 360 --fps 30 --gpu 1 --encoder x264${END}`,
  ]);
  assert.deepEqual(leftOut.map(({ name }) => name), ["desk", "sim"]);
  assert.match(go2rtcConfig({ streams, leftOut }), /^# left out: desk: its source is "x11grab"/m);

  const fifo = streamsOf(agents, "fifo", PLACE);
  assert.equal(fifo.streams[0]!.source, "exec:cat /run/tb/robot.h264");
  const written = go2rtcConfig(fifo);
  assert.match(
    written,
    /^# env SEED=7 \/opt\/telebridge agent --fifo \/run\/tb\/robot\.h264 --wi/m,
  );
});

Deno.test("go2rtc: the compose file holds the configuration, and nothing that compose would replace", () => {
  const agents = agentsOf({
    robot: { env: { PRICE: "5 $" } },
    cam: { command: ["x"], source: "exec" },
  });
  const streams = streamsOf(agents, "exec", {
    ...PLACE,
    isContainer: true,
    executable: "telebridge",
  });
  assert.deepEqual(streams.leftOut, [{ name: "cam", why: "its program is not in the container" }]);
  const config = go2rtcConfig(streams);
  const written = composeFile(config, { executable: "/opt/tele bridge", nvidia: true });
  assert(!written.includes("$"), written);
  assert.match(written, /source: "\/opt\/tele bridge"\n/);
  assert.match(written, /driver: nvidia/);
  const indented = written.slice(written.indexOf("    content: |\n") + "    content: |\n".length);
  assert.equal(indented.replaceAll(/^ {6}/gm, ""), config);
  assert.equal(streamsIn(config).robot, `exec:env 'PRICE=5 $' telebridge agent --mpegts${END}`);
});
