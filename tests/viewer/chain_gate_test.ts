import assert from "node:assert/strict";
import {
  admitPacket,
  createGate,
  keyframeIsDue,
  missChain,
  restartGate,
} from "../../viewer/chain_gate.ts";
import { headerOf } from "./doubles.ts";

const key = (packet: number) => headerOf({ frame: packet, packet, isKeyframe: true });
const delta = (packet: number) => headerOf({ frame: packet, packet });

Deno.test("chain gate: packets pass from a keyframe on for as long as none is missing", () => {
  const gate = createGate();
  const passed = [delta(4), key(5), delta(6), delta(7), delta(9), delta(10), key(11), delta(12)]
    .map((header) => admitPacket(gate, header));
  assert.deepEqual(passed, [false, true, true, true, false, false, true, true]);
});

Deno.test("chain gate: a keyframe heals any gap, and one that repeats a frame goes on from there", () => {
  const gate = createGate();
  const passed = [key(1), key(90), delta(91), key(3), delta(4), delta(92)]
    .map((header) => admitPacket(gate, header));
  assert.deepEqual(passed, [true, true, true, true, true, false]);
});

Deno.test("chain gate: a keyframe is asked for when one is missed, twice a second until it comes", () => {
  const gate = createGate();
  const due = (nowMs: number) => keyframeIsDue(gate, nowMs);
  // The server begins with one by itself.
  assert.equal(due(0), false);
  admitPacket(gate, key(1));
  admitPacket(gate, delta(3));
  assert.deepEqual([due(10), due(11), due(400), due(510), due(600)], [
    true,
    false,
    false,
    true,
    false,
  ]);
  admitPacket(gate, key(4));
  assert.equal(due(5_000), false);
  missChain(gate);
  assert.deepEqual([admitPacket(gate, delta(5)), due(5_000)], [false, true]);
});

Deno.test("chain gate: another subscription begins with its own keyframe", () => {
  const gate = createGate();
  admitPacket(gate, key(1));
  missChain(gate);
  restartGate(gate);
  assert.equal(keyframeIsDue(gate, 1_000), false);
  assert.deepEqual([admitPacket(gate, delta(2)), admitPacket(gate, key(1))], [false, true]);
});
