import assert from "node:assert/strict";
import fc from "fast-check";
import { summariseAccessUnit } from "../../viewer/h264.ts";
import { DELTA_UNIT, KEY_UNIT } from "./doubles.ts";

/** First picture of x264, high profile, whose parameters hold an emulation prevention byte. */
const HIGH_KEY_UNIT = Uint8Array.fromHex(
  "000000016764000aacd95ec044000003000400000300503c4896580000000168ebe3cb22c0000001658884003bfffef74e",
);
const SEEDS = { numRuns: 2_000, verbose: 1 };

Deno.test("h264: a keyframe names its codec; a picture that follows one does not", () => {
  assert.deepEqual(summariseAccessUnit(KEY_UNIT), { codec: "avc1.42C00A", isKeyframe: true });
  assert.deepEqual(summariseAccessUnit(HIGH_KEY_UNIT), { codec: "avc1.64000A", isKeyframe: true });
  assert.deepEqual(summariseAccessUnit(DELTA_UNIT), { codec: null, isKeyframe: false });
});

Deno.test("h264: start codes of three bytes, delimiters and SEI in front change nothing", () => {
  const short = Uint8Array.fromHex(KEY_UNIT.toHex().replaceAll("00000001", "000001"));
  assert.deepEqual(summariseAccessUnit(short), { codec: "avc1.42C00A", isKeyframe: true });
  const prefix = Uint8Array.fromHex("0000000109f00000000106050102030480");
  const whole = new Uint8Array([...prefix, ...KEY_UNIT]);
  assert.deepEqual(summariseAccessUnit(whole), { codec: "avc1.42C00A", isKeyframe: true });
});

Deno.test("h264: parameters without a picture, and a picture without parameters, are no beginning", () => {
  const parametersOnly = KEY_UNIT.subarray(0, KEY_UNIT.toHex().indexOf("000000016588") / 2);
  assert.deepEqual(summariseAccessUnit(parametersOnly), {
    codec: "avc1.42C00A",
    isKeyframe: false,
  });
  const idrOnly = Uint8Array.fromHex("00000001658884");
  assert.deepEqual(summariseAccessUnit(idrOnly), { codec: null, isKeyframe: true });
});

Deno.test("h264: cut off anywhere, it is not misread", () => {
  for (let length = 0; length < KEY_UNIT.byteLength; length++) {
    const { codec, isKeyframe } = summariseAccessUnit(KEY_UNIT.subarray(0, length));
    // Profile, constraints and level are the bytes 5 to 7, and the slice's type is byte 36.
    assert.equal(codec, length >= 8 ? "avc1.42C00A" : null, `${length} bytes`);
    assert.equal(isKeyframe, length > KEY_UNIT.toHex().indexOf("0165") / 2 + 1, `${length} bytes`);
  }
});

Deno.test("h264: any bytes are read without an error, and units beyond a few are not", () => {
  const startCodes = fc.constantFrom(0, 0, 0, 1, 0x67, 0x65);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(startCodes, { maxLength: 300 }),
  );
  fc.assert(
    fc.property(bytes, (some) => {
      const { codec } = summariseAccessUnit(Uint8Array.from(some));
      assert.match(codec ?? "avc1.000000", /^avc1\.[0-9A-F]{6}$/);
    }),
    SEEDS,
  );
  const delimiters = Uint8Array.fromHex("000001 09".replace(" ", "").repeat(100));
  const late = new Uint8Array([...delimiters, ...KEY_UNIT]);
  assert.deepEqual(summariseAccessUnit(late), { codec: null, isKeyframe: false });
});
