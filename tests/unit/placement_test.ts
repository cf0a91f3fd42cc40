import assert from "node:assert/strict";
import { parseAgents } from "../../core/agents/config.ts";
import { type Machine, machineOf } from "../../core/agents/machine.ts";
import { place, type Wish } from "../../core/agents/placement.ts";
import { Placements } from "../../core/agents/placements.ts";

const ANY: Wish = { gpu: null, encoder: "auto", pixelsPerSecond: 640 * 360 * 30 };
const NONE: Machine = { gpus: [], nvencSessionsMax: null, cpuEncoder: "x264" };
const L4S: Machine = {
  gpus: [0, 1].map((index) => ({ index, name: "NVIDIA L4", hasNvenc: true })),
  nvencSessionsMax: null,
  cpuEncoder: "x264",
};
const H200: Machine = { ...NONE, gpus: [{ index: 2, name: "NVIDIA H200", hasNvenc: false }] };
const MIXED: Machine = { ...L4S, gpus: [H200.gpus[0]!, L4S.gpus[1]!] };
const GEFORCE: Machine = { ...L4S, nvencSessionsMax: 3 };

const SOURCE = { width: 640, height: 360 };

const placementsOn = (machine: Machine, nowMs = () => 0) =>
  new Placements(() => Promise.resolve(machine), nowMs);

/** Places an agent as its table in the configuration file wishes. */
const take = (placements: Placements, name: string, table: Record<string, unknown> = {}) =>
  placements.place(parseAgents({ [name]: { ...SOURCE, ...table } }, "/telebridge.toml")[0]!);

const takeAll = (placements: Placements, count: number, table: Record<string, unknown> = {}) =>
  Promise.all(Array.from({ length: count }, (_, i) => take(placements, `agent${i}`, table)));

Deno.test("placement: without a GPU the agent finds what there is", () => {
  const { gpu, encoder, why } = place(ANY, NONE, []);
  assert.deepEqual({ gpu, encoder, why }, {
    gpu: null,
    encoder: "auto",
    why: "no GPU renders here",
  });
});

Deno.test("placement: agents spread over the GPUs by what they draw", async () => {
  const placements = placementsOn(L4S);
  const gpus = (await takeAll(placements, 4)).map(({ gpu }) => gpu);
  assert.deepEqual(gpus, [0, 1, 0, 1]);
  const large = await take(placements, "large", { width: 3840, height: 2160, fps: 60 });
  for (const name of ["a", "b", "c"]) {
    assert.notEqual((await take(placements, name)).gpu, large.gpu);
  }
});

Deno.test("placement: an agent that starts again has its place again", async () => {
  const placements = placementsOn(L4S);
  await takeAll(placements, 3);
  assert.equal((await take(placements, "agent1")).gpu, 1);
  placements.release("agent0");
  placements.release("agent2");
  assert.equal((await take(placements, "next")).gpu, 0);
});

Deno.test("placement: the GPU with NVENC comes first; without one the CPU encodes", () => {
  assert.equal(place(ANY, MIXED, []).gpu, 1);
  const onH200 = place(ANY, H200, []);
  assert.equal(onH200.nvenc, false);
  assert.equal(
    onH200.why,
    "GPU 2 (NVIDIA H200), the only one; it has no NVENC: the CPU encodes",
  );
});

Deno.test("placement: once NVENC is full the CPU encodes, and a freed session is used again", async () => {
  const placements = placementsOn(GEFORCE);
  const places = await takeAll(placements, 4);
  assert.deepEqual(places.map(({ nvenc }) => nvenc), [true, true, true, false]);
  // Not "nvenc": an agent whose session is refused goes on by itself with the CPU.
  assert.deepEqual(places.map(({ encoder }) => encoder), ["auto", "auto", "auto", "x264"]);
  assert.match(
    places[3]!.why,
    /^GPU 1 .*; NVENC has no session left \(3 taken\): the CPU encodes$/,
  );
  placements.release("agent1");
  assert.equal((await take(placements, "next")).nvenc, true);
});

Deno.test("placement: a program that encodes by itself takes no session", async () => {
  const placements = placementsOn(GEFORCE);
  const table = { command: ["./sim"], width: 1280, height: 720 };
  assert((await takeAll(placements, 5, table)).every(({ nvenc, gpu }) => !nvenc && gpu !== null));
  assert.equal((await take(placements, "ours")).nvenc, true);
});

Deno.test("placement: a limit shows when an agent does not get its session, and is not believed for ever", async () => {
  let nowMs = 0;
  const placements = placementsOn(L4S, () => nowMs);
  await takeAll(placements, 4);
  for (const [agent, isNvenc] of [true, true, false, false].entries()) {
    placements.onEncoder(`agent${agent}`, isNvenc);
  }
  assert.equal((await take(placements, "next")).encoder, "x264");
  nowMs = 599_999;
  assert.equal((await take(placements, "soon")).encoder, "x264");
  nowMs = 600_001;
  assert.equal((await take(placements, "later")).nvenc, true, "they may have given it back");
  placements.onEncoder("later", false);
  assert.equal((await take(placements, "next")).encoder, "x264");
  // More than the limit that was assumed: it was none.
  placements.onEncoder("next", true);
  placements.release("agent0");
  assert.equal((await take(placements, "another")).nvenc, true);
});

Deno.test("placement: what was asked for is never replaced", async () => {
  assert.equal(place({ ...ANY, gpu: 0 }, L4S, [place({ ...ANY, gpu: 0 }, L4S, [])]).gpu, 0);
  const missing = place({ ...ANY, gpu: 7 }, L4S, []);
  assert.equal(missing.gpu, 7);
  assert.match(missing.why, /^GPU 7 was asked for; those that render are 0 \(NVIDIA L4\), 1 /);
  const full = await takeAll(placementsOn(GEFORCE), 4, { encoder: "nvenc" });
  assert(full.every(({ encoder, nvenc }) => encoder === "nvenc" && nvenc));
  assert.equal(place({ ...ANY, encoder: "openh264" }, L4S, []).encoder, "openh264");
});

Deno.test("placement: the machine is what EGL and the encoders' probe say", () => {
  const egl = (renderer: string) => ({ drm: null, extensions: "", error: null, renderer });
  const encoders = ["nvenc", "x264"].map((name) => ({ kind: 0, name, usable: true, detail: "" }));
  const devices = [
    { drm: "/dev/dri/card0", extensions: "", error: "eglInitialize: 0x3001" },
    egl("NVIDIA GeForce RTX 4090/PCIe/SSE2"),
    egl("NVIDIA H100 80GB HBM3/PCIe/SSE2"),
    egl("Mesa Intel(R) Graphics (ADL GT2)"),
    egl("llvmpipe (LLVM 15.0.6, 256 bits)"),
  ];
  assert.deepEqual(machineOf(devices, encoders), {
    gpus: [
      { index: 1, name: "NVIDIA GeForce RTX 4090", hasNvenc: true },
      { index: 2, name: "NVIDIA H100 80GB HBM3", hasNvenc: false },
      { index: 3, name: "Mesa Intel(R) Graphics (ADL GT2)", hasNvenc: false },
    ],
    nvencSessionsMax: 8,
    cpuEncoder: "x264",
  });
  assert.deepEqual(machineOf([], []), { ...NONE, cpuEncoder: "openh264" });
});
