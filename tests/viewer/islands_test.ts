import assert from "node:assert/strict";
import {
  formatAge,
  formatBitrate,
  formatCount,
  formatHz,
  formatMs,
  formatNumber,
  formatRate,
} from "../../islands/format.ts";
import { hidUsage } from "../../islands/hid_usages.ts";
import { laneNotes } from "../../islands/lane_notes.ts";
import { pointInPicture } from "../../islands/picture_box.ts";
import { sortRuns } from "../../islands/run_order.ts";
import { forcedByAddress } from "../../islands/viewer_client.ts";
import type { LaneState, RunSummary } from "../../proto/wire.ts";
import { chooseRenderer } from "../../viewer/renderer.ts";

Deno.test("format: numbers are short and of steady width", () => {
  assert.equal(formatCount(1_234_567), "1,234,567");
  assert.equal(formatCount(undefined), "–");
  const numbers: [number | null, string][] = [
    [-200, "−200"],
    [0.5, "0.5000"],
    [-132.25, "−132.3"],
    [12.345, "12.35"],
    [1.5, "1.500"],
    [0.00001, "1.00e−5"],
    [12_345_678, "1.23e+7"],
    [0, "0"],
    [NaN, "–"],
    [null, "–"],
    [Infinity, "∞"],
  ];
  for (const [value, text] of numbers) assert.equal(formatNumber(value), text);
  assert.deepEqual([3.14159, 31.4159, 314.159, -0.001].map(formatMs), [
    "3.14",
    "31.4",
    "314",
    "0.00",
  ]);
  assert.deepEqual([3.21, 60.4, 12_345.6].map(formatRate), ["3.2", "60", "12,346"]);
  assert.deepEqual([5e3, 61e3, 7.2e6, 1.8e8].map(formatAge), ["5 s", "1 min", "2 h", "2 d"]);
});

Deno.test("format: bitrates and the display's rate", () => {
  assert.deepEqual([0, 849.6, 4_230].map(formatBitrate), ["0 kbit/s", "850 kbit/s", "4.2 Mbit/s"]);
  assert.deepEqual([60.001, 59.9402, 143.98].map(formatHz), ["60 Hz", "59.94 Hz", "143.98 Hz"]);
});

Deno.test("address: lane, transport, renderer, phase lock and rate can be forced, anything else is ignored", () => {
  const nothing = { transport: null, renderer: null, lane: null, phaseLock: null, fpsMax: null };
  assert.deepEqual(forcedByAddress(""), nothing);
  const unknown = "?token=abc&lane=av1&renderer=&phase-lock=yes&fps=-1.5";
  assert.deepEqual(forcedByAddress(unknown), nothing);
  const all = "?lane=jpeg&renderer=2d&transport=websocket&phase-lock=off&fps=30";
  assert.deepEqual(forcedByAddress(all), {
    transport: "websocket",
    renderer: "2d",
    lane: "jpeg",
    phaseLock: false,
    fpsMax: 30,
  });
});

Deno.test("lane notes: nothing while all is as it should be, a sentence for each thing that is not", () => {
  const able = { hasWebCodecs: true, isSecureContext: true };
  const lane: LaneState = {
    kind: "h264",
    why: "a large picture",
    encoder: "x264 164",
    bitrateKbps: 4_000,
    phaseLocked: true,
    rateMaxHz: null,
  };
  assert.deepEqual(laneNotes(lane, "auto", able), []);
  assert.deepEqual(laneNotes(null, "jpeg", able), []);
  assert.deepEqual(laneNotes({ ...lane, rateMaxHz: 7.5 }, "h264", able), [
    "The run is held to 7.5 frames a second, since its viewers cannot take more.",
  ]);
  const fallen: LaneState = { ...lane, kind: "jpeg", why: "this page has no WebCodecs" };
  const insecure = { hasWebCodecs: false, isSecureContext: false };
  assert.match(laneNotes(fallen, "auto", insecure)[0]!, /^JPEG: .*not secure.* H\.264\.$/);
  assert.deepEqual(laneNotes(fallen, "auto", { ...insecure, isSecureContext: true }), [
    "JPEG: this browser has no WebCodecs.",
  ]);
  assert.deepEqual(laneNotes(fallen, "auto", able), [
    "JPEG: this browser has no H.264 decoder that works.",
  ]);
  assert.deepEqual(laneNotes(fallen, "jpeg", insecure), [], "asked for, and had");
  const why = "h264 was forced, but this page has no WebCodecs";
  assert.deepEqual(laneNotes({ ...fallen, why }, "h264", insecure), [
    `H.264 was asked for. This is JPEG: ${why}.`,
  ]);
});

Deno.test("keys: HID usages at the ends of every row of the table", () => {
  const usages = {
    KeyA: 4,
    KeyZ: 29,
    Digit1: 30,
    Digit0: 39,
    Enter: 40,
    Space: 44,
    BracketLeft: 47,
    Backslash: 49,
    Semicolon: 51,
    CapsLock: 57,
    F1: 58,
    F12: 69,
    PrintScreen: 70,
    End: 77,
    PageDown: 78,
    ArrowRight: 79,
    ArrowUp: 82,
    NumLock: 83,
    NumpadEnter: 88,
    Numpad1: 89,
    Numpad0: 98,
    ContextMenu: 101,
    ControlLeft: 224,
    MetaRight: 231,
  };
  for (const [code, usage] of Object.entries(usages)) assert.equal(hidUsage(code), usage, code);
  assert.equal(hidUsage("BrowserBack"), null);
});

Deno.test("pointer: a point of the page is a share of the picture, letterboxes left out", () => {
  const element = { left: 100, top: 50, width: 400, height: 200 };
  const picture = { width: 160, height: 160 };
  // The picture lies from x = 200 to 400.
  const at = (clientX: number, clientY: number) =>
    pointInPicture({ clientX, clientY }, element, picture);
  assert.deepEqual(at(300, 150), { x: 0.5, y: 0.5 });
  assert.deepEqual(at(200, 50), { x: 0, y: 0 });
  assert.deepEqual(at(120, 500), { x: 0, y: 1 });
});

Deno.test("runs: live ones first, then the newest", () => {
  const run = (id: string, phase: RunSummary["phase"], startedAtMs: number) =>
    ({ id, phase, startedAtMs }) as RunSummary;
  const sorted = sortRuns([
    run("old-ended", "ended", 1),
    run("idle", "idle", 9),
    run("live-old", "live", 2),
    run("ended", "ended", 5),
    run("live", "live", 8),
    run("error", "error", 3),
  ]);
  assert.deepEqual(sorted.map(({ id }) => id), [
    "live",
    "live-old",
    "idle",
    "error",
    "ended",
    "old-ended",
  ]);
});

Deno.test("renderer: software WebGL gives way to 2D; the address may force either", () => {
  const swiftShader = "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device), SwiftShader driver)";
  assert.equal(chooseRenderer(null, swiftShader).kind, "2d");
  assert.equal(chooseRenderer(null, "llvmpipe (LLVM 15.0.6, 256 bits)").kind, "2d");
  assert.equal(chooseRenderer(null, null).reason, "no WebGL");
  assert.equal(chooseRenderer(null, "ANGLE (NVIDIA, NVIDIA GeForce RTX 4090)").kind, "webgl");
  assert.equal(chooseRenderer("webgl", swiftShader).kind, "webgl");
});
