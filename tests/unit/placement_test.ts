import assert from "node:assert/strict";
import { type Machine, place, Placements, type Wish } from "../../core/agents/placement.ts";

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

const takeAll = (placements: Placements, count: number, wish: Wish = ANY) =>
  Array.from({ length: count }, (_, agent) => placements.take(`agent${agent}`, wish));

Deno.test("placement: without a GPU the agent finds what there is", () => {
  const { gpu, encoder, why } = place(ANY, NONE, []);
  assert.deepEqual({ gpu, encoder, why }, {
    gpu: null,
    encoder: "auto",
    why: "no GPU renders here",
  });
});

Deno.test("placement: agents spread over the GPUs by what they draw", () => {
  const placements = new Placements(L4S);
  const gpus = takeAll(placements, 4).map(({ gpu }) => gpu);
  assert.deepEqual(gpus, [0, 1, 0, 1]);
  const large = placements.take("large", { ...ANY, pixelsPerSecond: 3840 * 2160 * 60 });
  const others = ["a", "b", "c"].map((name) => placements.take(name, ANY).gpu);
  assert(others.every((gpu) => gpu !== large.gpu), `${others} beside ${large.gpu}`);
});

Deno.test("placement: an agent that starts again has its place again", () => {
  const placements = new Placements(L4S);
  takeAll(placements, 3);
  assert.equal(placements.take("agent1", ANY).gpu, 1);
  placements.leave("agent0");
  placements.leave("agent2");
  assert.equal(placements.take("next", ANY).gpu, 0);
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

Deno.test("placement: once NVENC is full the CPU encodes, and a freed session is used again", () => {
  const placements = new Placements(GEFORCE);
  const places = takeAll(placements, 4);
  assert.deepEqual(places.map(({ nvenc }) => nvenc), [true, true, true, false]);
  // Not "nvenc": an agent whose session is refused goes on by itself with the CPU.
  assert.deepEqual(places.map(({ encoder }) => encoder), ["auto", "auto", "auto", "x264"]);
  assert.match(places[3]!.why, /^GPU 1 .*; all 3 sessions of NVENC are taken: the CPU encodes$/);
  placements.leave("agent1");
  assert.equal(placements.take("next", ANY).nvenc, true);
});

Deno.test("placement: a limit shows when an agent does not get its session", () => {
  const placements = new Placements(L4S);
  takeAll(placements, 4);
  for (const [agent, isNvenc] of [true, true, false, false].entries()) {
    placements.onEncoder(`agent${agent}`, isNvenc);
  }
  assert.equal(placements.take("next", ANY).encoder, "x264");
  // More than the limit that was assumed: it was none.
  placements.onEncoder("next", true);
  placements.leave("agent0");
  assert.equal(placements.take("another", ANY).nvenc, true);
});

Deno.test("placement: what was asked for is never replaced", () => {
  assert.equal(place({ ...ANY, gpu: 0 }, L4S, [place({ ...ANY, gpu: 0 }, L4S, [])]).gpu, 0);
  const missing = place({ ...ANY, gpu: 7 }, L4S, []);
  assert.equal(missing.gpu, 7);
  assert.match(missing.why, /^GPU 7 was asked for; those that render are 0 \(NVIDIA L4\), 1 /);
  const full = takeAll(new Placements(GEFORCE), 4, { ...ANY, encoder: "nvenc" });
  assert(full.every(({ encoder, nvenc }) => encoder === "nvenc" && nvenc));
  assert.equal(place({ ...ANY, encoder: "openh264" }, L4S, []).encoder, "openh264");
});
