import assert from "node:assert/strict";
import { checkEncoder, describeEncoders } from "../../core/encoders.ts";
import { UserError } from "../../core/errors.ts";
import { EncoderKind } from "../../ffi/stream.ts";

const NVENC = { kind: EncoderKind.Nvenc, name: "nvenc", usable: false, detail: "no libcuda.so.1" };
const X264 = { kind: EncoderKind.X264, name: "x264", usable: true, detail: "libx264.so.164" };
const OPENH264 = { kind: EncoderKind.OpenH264, name: "openh264", usable: true, detail: "2.3.1" };
const JPEG = { kind: EncoderKind.Jpeg, name: "jpeg", usable: true, detail: "libjpeg-turbo" };
const FOUND = [NVENC, X264, OPENH264, JPEG];

Deno.test("encoders: the log says what was chosen, and why what comes before was passed over", () => {
  const said = "video is encoded by x264 (libx264.so.164); nvenc passed over: no libcuda.so.1";
  assert.equal(describeEncoders("auto", FOUND), said);
  assert.match(describeEncoders("openh264", FOUND), /x264 passed over: --encoder says otherwise$/);
  assert.match(describeEncoders("auto", [NVENC, JPEG]), /no H.264 encoder works \(nvenc: no lib/);
});

Deno.test("encoders: a forced one that does not work is refused, with what to do", () => {
  checkEncoder("auto", [NVENC]);
  checkEncoder("x264", FOUND);
  assert.throws(() => checkEncoder("nvenc", FOUND), (error: Error) => {
    assert(error instanceof UserError);
    assert.match(error.message, /nvenc cannot be used: no libcuda.*NVIDIA.*--encoder auto/);
    return true;
  });
  assert.throws(() => checkEncoder("x264", [OPENH264]), /does not have it; install libx264/);
});
