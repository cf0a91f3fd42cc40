import fc from "fast-check";
import assert from "node:assert/strict";
import { AWAIT_NS, KeyframeDesk, REQUEST_INTERVAL_NS } from "../../core/keyframe_desk.ts";
import { KeyframeGate } from "../../core/keyframe_gate.ts";

Deno.test("keyframe gate: a new viewer is sent nothing before a keyframe", () => {
  const gate = new KeyframeGate();
  assert(gate.needsKeyframe);
  assert(!gate.offer(7, false, true));
  assert(gate.offer(8, true, true));
  assert(gate.offer(9, false, true));
  assert(!gate.needsKeyframe);
});

Deno.test("keyframe gate: after a miss only a keyframe, whatever comes", () => {
  const packet = fc.record({ keyframe: fc.boolean(), room: fc.boolean(), lost: fc.boolean() });
  fc.assert(fc.property(fc.array(packet, { maxLength: 60 }), (packets) => {
    const gate = new KeyframeGate();
    let decodable = 0; // the packet that the viewer's decoder had last, 0 when it has lost the thread
    packets.forEach(({ keyframe, room, lost }, index) => {
      const number = index + 1;
      if (lost) return; // the stream dropped it: nobody is offered it
      if (!gate.offer(number, keyframe, room)) return;
      assert(room);
      assert(keyframe || decodable === number - 1, `packet ${number} cannot be decoded`);
      decodable = number;
    });
  }));
});

Deno.test("keyframe gate: a keyframe that finds no room is missed too", () => {
  const gate = new KeyframeGate();
  gate.offer(1, true, true);
  assert(!gate.offer(2, true, false));
  assert(gate.needsKeyframe);
  assert(!gate.offer(3, false, true));
});

Deno.test("keyframe desk: requests are 250 ms apart", () => {
  const desk = new KeyframeDesk();
  assert(desk.ask(0));
  desk.came();
  assert(!desk.ask(REQUEST_INTERVAL_NS - 1));
  assert(desk.ask(REQUEST_INTERVAL_NS));
});

Deno.test("keyframe desk: one that is on its way is not asked for again, unless it does not come", () => {
  const desk = new KeyframeDesk();
  desk.awaitFrom(0);
  assert(!desk.ask(REQUEST_INTERVAL_NS * 2));
  assert(desk.ask(AWAIT_NS));
  assert(!desk.ask(AWAIT_NS + REQUEST_INTERVAL_NS));
});

Deno.test("keyframe desk: at most four a second, however many need one", () => {
  const waits = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 100 });
  fc.assert(fc.property(waits, (waitsMs) => {
    const desk = new KeyframeDesk();
    let nowNs = 0;
    const askedNs: number[] = [];
    for (const waitMs of waitsMs) {
      nowNs += waitMs * 1e6;
      if (!desk.ask(nowNs)) continue;
      askedNs.push(nowNs);
      desk.came();
    }
    askedNs.forEach((ns, index) => {
      if (index > 0) assert(ns - askedNs[index - 1]! >= REQUEST_INTERVAL_NS);
    });
  }));
});
