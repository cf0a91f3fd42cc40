import assert from "node:assert/strict";
import { decode } from "fast-png";
import { encodePng } from "../../viewer/png.ts";

Deno.test("png: another decoder reads back the exact pixels", async () => {
  const [width, height] = [19, 7];
  const rgba = new Uint8Array(width * height * 4);
  for (let at = 0; at < rgba.length; at++) rgba[at] = at % 4 === 3 ? 255 : (at * 37) & 255;
  const png = await encodePng(rgba, width, height);
  const image = decode(png, { checkCrc: true });
  assert.deepEqual([image.width, image.height, image.channels, image.depth], [19, 7, 3, 8]);
  assert.deepEqual([...image.data], [...rgba].filter((_, index) => index % 4 !== 3));
});
