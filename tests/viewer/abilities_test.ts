import assert from "node:assert/strict";
import { type AbilitiesScope, probeAbilities } from "../../viewer/abilities.ts";

/** A browser that decodes with these accelerations. */
function browser(supported: HardwareAcceleration[]): AbilitiesScope {
  return {
    createImageBitmap() {},
    VideoDecoder: {
      isConfigSupported: (config) =>
        Promise.resolve({ supported: supported.includes(config.hardwareAcceleration!), config }),
    },
  };
}

Deno.test("abilities: raw always; H.264 where the browser decodes it, in hardware where there is some", async () => {
  assert.deepEqual(await probeAbilities(browser(["no-preference", "prefer-hardware"])), {
    accepts: ["raw", "h264", "jpeg"],
    acceleration: "prefer-hardware",
  });
  assert.deepEqual(await probeAbilities(browser(["no-preference"])), {
    accepts: ["raw", "h264", "jpeg"],
    acceleration: "no-preference",
  });
  assert.deepEqual((await probeAbilities(browser([]))).accepts, ["raw", "jpeg"]);
});

Deno.test("abilities: an insecure origin has no WebCodecs, and an old browser not even bitmaps", async () => {
  assert.deepEqual((await probeAbilities({ createImageBitmap() {} })).accepts, ["raw", "jpeg"]);
  assert.deepEqual((await probeAbilities({})).accepts, ["raw"]);
});

Deno.test("abilities: a question that fails or is never answered counts as no", async () => {
  const answers: (() => Promise<VideoDecoderSupport>)[] = [
    () => Promise.reject(new TypeError("what codec?")),
    () => {
      throw new TypeError("what codec?");
    },
    () => new Promise(() => {}),
  ];
  for (const isConfigSupported of answers) {
    const scope = { createImageBitmap() {}, VideoDecoder: { isConfigSupported } };
    assert.deepEqual(await probeAbilities(scope), {
      accepts: ["raw", "jpeg"],
      acceleration: "no-preference",
    });
  }
});
