/** What is started for a source. Hardware is what the made-up programs below say; the real ones: tests/system. */

import assert from "node:assert/strict";
import { CaptureTools, type RunProgram } from "../../core/agents/capture_tools.ts";
import { parseAgents } from "../../core/agents/config.ts";
import { sourceCommand } from "../../core/agents/sources.ts";

const DONE = { code: 0, stdout: " D  x11grab  X11 screen capture", stderr: "" };

/** A machine on which programs with these words fail, and those of `missing` are not installed. */
function machine(fails: readonly string[], missing: readonly string[] = []): RunProgram {
  return (command) => {
    if (missing.includes(command[0]!)) return Promise.resolve("not found");
    const failing = fails.find((word) => command.includes(word));
    return Promise.resolve(
      failing === undefined ? DONE : { code: 1, stdout: "", stderr: `no ${failing}\n` },
    );
  };
}

function started(table: Record<string, unknown>, run: RunProgram = machine([])) {
  const [config] = parseAgents({ cam: table }, "/etc/telebridge.toml");
  return sourceCommand(config!, { gpu: null, encoder: config!.encoder }, {
    ...{ agentPath: "/lib/agent", captures: new CaptureTools(run), environment: {} },
  });
}

const XVFB = { kind: "auto", xvfb: "640x360" };

Deno.test("agent sources: hardware encodes where it has encoded, else the next; GStreamer before FFmpeg", async () => {
  const why = async (run: RunProgram) => (await started({ source: XVFB }, run)).why;
  assert.equal(await why(machine([])), "GStreamer with nvh264enc");
  assert.equal(
    await why(machine(["nvh264enc"])),
    "GStreamer with x264enc (not nvh264enc: no nvh264enc)",
  );
  const gst = ["gst-inspect-1.0", "gst-launch-1.0"];
  assert.equal(
    await why(machine([], gst)),
    "not GStreamer: gst-inspect-1.0 is not installed; FFmpeg with h264_nvenc",
  );
  assert.equal(
    await why(machine(["ximagesrc", "h264_nvenc"])),
    "not GStreamer: GStreamer has no ximagesrc; FFmpeg with libx264 (not h264_nvenc: no h264_nvenc)",
  );
  await assert.rejects(
    why(machine([], [...gst, "ffmpeg"])),
    /agent "cam": source "auto" cannot be had: not GStreamer: .* not FFmpeg: ffmpeg is not installed/,
  );
  await assert.rejects(
    started({ source: "auto" }, machine(["pipewiresrc"])),
    /there is no display: set xvfb/,
  );
});

Deno.test("agent sources: what failed is tried again, what worked is not", async () => {
  const asked: string[] = [];
  let installed = false;
  const captures = new CaptureTools((command) => {
    asked.push(command[0]!);
    return Promise.resolve(installed ? DONE : "not found");
  });
  assert.equal((await captures.gstHas("ximagesrc")).works, false);
  installed = true;
  const both = await Promise.all([captures.gstHas("ximagesrc"), captures.gstHas("ximagesrc")]);
  assert.deepEqual(both.map(({ works }) => works), [true, true]);
  assert.equal((await captures.gstHas("ximagesrc")).works, true);
  assert.equal(asked.length, 2, "those that ask together ask once");
});

Deno.test("agent sources: the pump gets the program, its display and what captures it", async () => {
  const { command } = await started({
    ...{ command: ["xterm", "-e", "top"], fps: 20, gop: 0.5, bitrate: 900, encoder: "x264" },
    source: { ...XVFB, kind: "ffmpeg" },
  });
  assert.deepEqual(command.slice(0, 13), [
    ...["/lib/agent", "--run", "cam", "--source", "exec", "--xvfb", "640x360", "--beside", "3"],
    ...["--", "xterm", "-e", "top"],
  ]);
  const line = command.slice(13).join(" ");
  assert.match(line, /^-- ffmpeg .*-f x11grab -framerate 20 -video_size 640x360 -i {2}-map/);
  for (const option of ["-c:v libx264", "-tune zerolatency", "-bf 0", "-g 10", "-b:v 900k"]) {
    assert(line.includes(option), option);
  }
});

Deno.test("agent sources: a display, a pipeline and an input are told to those who take them", async () => {
  const display = await started({ source: { kind: "gst", display: ":7" }, command: ["xclock"] });
  assert.deepEqual(display.command.slice(0, 3), ["/usr/bin/env", "DISPLAY=:7", "/lib/agent"]);
  assert(display.command.includes("display-name=:7"));
  assert(display.command.includes("bitrate=4162"), "as our own agent's, for 1280 x 720 at 30 Hz");
  const pipeline = 'filesrc location="my film.mkv" ! decodebin';
  const played = await started({ source: { kind: "auto", pipeline } });
  assert.deepEqual(played.command.slice(8, 11), ["filesrc", "location=my film.mkv", "!"]);
  const input = ["-f", "v4l2", "-i", "/dev/video0"];
  const camera = await started({ source: { kind: "auto", input } });
  assert.match(camera.command.join(" "), /-f v4l2 -i \/dev\/video0 -map/);
  assert.match(camera.why, /^not GStreamer: input is for FFmpeg/);
});
