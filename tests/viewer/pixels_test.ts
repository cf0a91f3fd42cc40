import assert from "node:assert/strict";
import { PixelFormat } from "../../proto/wire.ts";
import { heatColours } from "../../viewer/heat_map.ts";
import { formatName, pictureBytes, toRgba } from "../../viewer/pixels.ts";
import { cardPixels, cardRgb, cardStride, type TestCard } from "../harness/test_card.ts";

const SIZES: [width: number, height: number][] = [[16, 12], [17, 13], [1, 1], [2, 3]];
const RGB_LIKE = [PixelFormat.Rgb8, PixelFormat.Rgba8, PixelFormat.Bgra8, PixelFormat.Gray8];
const YUV = [PixelFormat.Nv12, PixelFormat.I420];

/** The card as the viewer sees it, RGB rows. */
function convert(card: TestCard, frame: number): Uint8Array {
  const out = new Uint32Array(card.width * card.height);
  toRgba({ ...card, stride: cardStride(card) }, cardPixels(card, frame), out);
  const rgba = new Uint8Array(out.buffer);
  return rgba.filter((_, index) => index % 4 !== 3);
}

for (const format of RGB_LIKE) {
  Deno.test(`pixels: ${formatName(format)} is exact, padded rows and odd sizes included`, () => {
    for (const [width, height] of SIZES) {
      for (const paddingBytes of [0, 1, 5, 64]) {
        const card = { format, width, height, paddingBytes };
        assert.deepEqual(convert(card, 9), cardRgb(card, 9));
      }
    }
  });
}

for (const format of YUV) {
  Deno.test(`pixels: ${formatName(format)} is within one level of BT.709 in floating point`, () => {
    for (const [width, height] of SIZES) {
      // NV12's interleaved pairs of an odd width need a byte of padding.
      const paddings = format === PixelFormat.Nv12 && width % 2 === 1 ? [1, 7] : [0, 1, 6];
      for (const paddingBytes of paddings) {
        const card = { format, width, height, paddingBytes };
        const expected = cardRgb(card, 4);
        convert(card, 4).forEach((value, index) =>
          assert.ok(Math.abs(value - expected[index]!) <= 1, `${width} × ${height} at ${index}`)
        );
      }
    }
  });
}

Deno.test("pixels: the ends of the limited range are black and white", () => {
  const picture = { format: PixelFormat.I420, width: 2, height: 1, stride: 2 };
  const out = new Uint32Array(2);
  toRgba(picture, Uint8Array.of(16, 235, 128, 128), out);
  assert.deepEqual([...out], [0xff000000, 0xffffffff]);
});

Deno.test("pixels: alpha is ignored", () => {
  const picture = { format: PixelFormat.Rgba8, width: 1, height: 1, stride: 4 };
  const out = new Uint32Array(1);
  toRgba(picture, Uint8Array.of(1, 2, 3, 0), out);
  assert.equal(out[0], 0xff030201);
});

Deno.test("pixels: a picture's bytes are what the test card has", () => {
  for (const format of [...RGB_LIKE, ...YUV]) {
    const card = { format, width: 17, height: 13, paddingBytes: 3 };
    const bytes = pictureBytes({ ...card, stride: cardStride(card) });
    const { byteLength } = cardPixels(card, 1);
    // The last row's padding need not be there.
    assert.ok(bytes <= byteLength && bytes >= byteLength - card.paddingBytes);
  }
  assert.throws(
    () => pictureBytes({ format: PixelFormat.H264, width: 8, height: 8, stride: 0 }),
    /H\.264/,
  );
});

Deno.test("heat map: viridis to within five levels of matplotlib's table, and never darker", () => {
  const colours = heatColours();
  const at = (heat: number) => [...colours.subarray(heat * 4, heat * 4 + 4)];
  const matplotlib: [heat: number, red: number, green: number, blue: number][] = [
    [0, 68, 1, 84],
    [64, 59, 82, 139],
    [128, 33, 145, 140],
    [192, 94, 201, 98],
    [255, 253, 231, 37],
  ];
  for (const [heat, ...expected] of matplotlib) {
    expected.forEach((value, channel) =>
      assert.ok(Math.abs(at(heat)[channel]! - value) <= 5, `heat ${heat} is ${at(heat)}`)
    );
    assert.equal(at(heat)[3], heat === 0 ? 0 : 255);
  }
  const luminance = (heat: number) => {
    const [red, green, blue] = at(heat) as [number, number, number, number];
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  for (let heat = 1; heat < 256; heat++) assert.ok(luminance(heat) >= luminance(heat - 1) - 0.5);
});
