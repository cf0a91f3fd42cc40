/** A real go2rtc, with what `telebridge go2rtc-config` writes for it. */

import assert from "node:assert/strict";
import { TestBox } from "../harness/box.ts";
import { telebridge } from "../harness/command.ts";
import { AgentProcess } from "../harness/agent.ts";
import { decodeJpeg, probeVideo } from "../harness/ffmpeg.ts";
import { goTool } from "../harness/go_tool.ts";
import { readBarCode } from "../harness/video_card.ts";
import { waitFor } from "../harness/wait.ts";

const go2rtc = goTool("go2rtc", "a real go2rtc reads what agents write");

const SIZE = ["--width", "320", "--height", "180"];
/** Of H.264 that is no agent's of ours; it has no bar code. */
const CAMERA = [
  ...["ffmpeg", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=30"],
  ...["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30"],
  ...["-pix_fmt", "yuv420p", "-f", "h264", "pipe:1"],
];

/** Serves one stream, whose configuration these arguments make. */
class Go2rtc {
  readonly #child: Deno.ChildProcess;
  readonly #client: Deno.HttpClient;

  private constructor(child: Deno.ChildProcess, socket: string) {
    this.#child = child;
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
  }

  static async start(box: TestBox, ...args: string[]): Promise<Go2rtc> {
    const { code, stdout, stderr } = await telebridge(box, "go2rtc-config", ...args);
    assert.equal(code, 0, stderr);
    const config = `${box.folder}/go2rtc.yaml`;
    await Deno.writeTextFile(config, stdout);
    const socket = `${box.folder}/go2rtc.sock`;
    // No port of this machine: several tests run at a time.
    const settings = { api: { listen: "", unix_listen: socket }, rtsp: { listen: "" } };
    const rest = { srtp: { listen: "" }, webrtc: { listen: "" }, log: { level: "debug" } };
    const child = new Deno.Command(go2rtc!, {
      args: ["-config", config, "-config", JSON.stringify({ ...settings, ...rest })],
      cwd: box.folder,
      env: box.environment,
      stdin: "null",
    }).spawn();
    const server = new Go2rtc(child, socket);
    box.onEnd(() => server.#stop());
    await waitFor("go2rtc", () => Deno.stat(socket).then(() => true, () => false));
    return server;
  }

  /** What it answers, as bytes. */
  async ask(path: string): Promise<Uint8Array<ArrayBuffer>> {
    // Deno's own, which the DOM's types do not know.
    const request: RequestInit & { client: Deno.HttpClient } = { client: this.#client };
    const response = await fetch(`http://go2rtc/api/${path}`, request);
    const bytes = await response.bytes();
    assert.equal(response.status, 200, new TextDecoder().decode(bytes));
    return bytes;
  }

  /** How many processes it has started that are still there. */
  async children(): Promise<number> {
    const tasks = await Array.fromAsync(Deno.readDir(`/proc/${this.#child.pid}/task`));
    const lists = tasks.map(({ name }) =>
      Deno.readTextFileSync(`/proc/${this.#child.pid}/task/${name}/children`)
    );
    return lists.join(" ").split(" ").filter((pid) => pid.trim() !== "").length;
  }

  async #stop(): Promise<void> {
    this.#client.close();
    this.#child.kill("SIGTERM");
    await this.#child.status;
  }
}

async function barCode(jpeg: Uint8Array): Promise<number | null> {
  return readBarCode(await decodeJpeg(jpeg), 320, 180);
}

/** A picture, then a second of video; then whatever was started for it ends. */
async function watch(server: Go2rtc, name: string): Promise<Uint8Array> {
  const jpeg = await server.ask(`frame.jpeg?src=${name}`);
  const { streams: [stream], complaints } = await probeVideo(
    await server.ask(`stream.mp4?src=${name}&duration=1`),
  );
  assert.equal(complaints, "");
  assert.deepEqual([stream!.codec_name, stream!.width, stream!.height], ["h264", 320, 180]);
  assert(Number(stream!.nb_read_frames) >= 20, `${stream!.nb_read_frames} frames in a second`);
  await waitFor("the end of what go2rtc started", async () => await server.children() === 0);
  return jpeg;
}

function go2rtcTest(name: string, fn: (box: TestBox) => Promise<void>): void {
  Deno.test({
    name: `go2rtc: ${name}`,
    ignore: go2rtc === null,
    fn: async () => {
      await using box = await TestBox.create();
      await fn(box);
    },
  });
}

go2rtcTest("exec: it starts our agent for those who watch, and shows its pictures", async (box) => {
  const server = await Go2rtc.start(box, "--agent", "robot", ...SIZE);
  assert.notEqual(await barCode(await watch(server, "robot")), null);
});

go2rtcTest("exec: it starts any program that writes H.264", async (box) => {
  const server = await Go2rtc.start(box, "--agent", "camera", "--", ...CAMERA);
  await watch(server, "camera");
});

go2rtcTest("fifo: an agent encodes while it reads, and only then", async (box) => {
  const args = ["--mode", "fifo", "--fifo-dir", box.folder, "--agent", "robot"];
  const server = await Go2rtc.start(box, ...args);
  const agent = AgentProcess.start(box, "--fifo", `${box.folder}/robot.h264`, ...SIZE, "--verbose");
  await agent.until("320 x 180");
  assert(!agent.said.includes("has a reader"));
  assert.notEqual(await barCode(await watch(server, "robot")), null);
  await agent.until("has no reader any more");
});
