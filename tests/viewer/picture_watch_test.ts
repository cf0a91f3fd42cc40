import assert from "node:assert/strict";
import { PictureWatch } from "../../viewer/picture_watch.ts";

/** Looks once a second at pictures of one level each, with so many frames between. */
function watch(levels: number[], framesPerSecond = 30, picture = new PictureWatch()): PictureWatch {
  levels.forEach((level, second) => {
    const rgba = new Uint8ClampedArray(64 * 36 * 4).fill(level);
    for (let at = 3; at < rgba.length; at += 4) rgba[at] = 255;
    picture.look({ frame: 1 + second * framesPerSecond, takenAtMs: second * 1_000, rgba });
  });
  return picture;
}

const moving = (seconds: number) => Array.from({ length: seconds }, (_, second) => 40 + second * 3);

Deno.test("picture watch: what moves raises nothing, in the dark neither", () => {
  assert.equal(watch(moving(60)).warning, null);
  assert.equal(watch([8, 12, 8, 12, 8, 12, 8, 12]).warning, null);
});

Deno.test("picture watch: a picture that stands still for five seconds of new frames is frozen", () => {
  const frozen = (seconds: number) => watch([...moving(3), ...Array(seconds).fill(200)]);
  assert.equal(frozen(5).warning, null);
  assert.equal(frozen(5).warningForMs, 0);
  assert.deepEqual([frozen(6).warning, frozen(6).warningForMs], ["frozen", 5_000]);
  assert.equal(frozen(30).warningForMs, 29_000);
  assert.equal(watch([...Array(10).fill(200), 100]).warning, null, "it moves again");
});

Deno.test("picture watch: a codec's noise is no movement, a small thing that moves is one", () => {
  assert.equal(watch([100, 101, 100, 101, 100, 101, 100]).warning, "frozen");
  const picture = new PictureWatch();
  for (let second = 0; second < 20; second++) {
    const rgba = new Uint8ClampedArray(64 * 36 * 4).fill(100);
    rgba[4 * second] = 106;
    picture.look({ frame: second * 30, takenAtMs: second * 1_000, rgba });
  }
  assert.equal(picture.warning, null);
});

Deno.test("picture watch: without new frames there is nothing to say", () => {
  assert.equal(watch(Array(60).fill(200), 0).warning, null);
  assert.equal(watch(Array(6).fill(200), 0.5).warning, null);
});

Deno.test("picture watch: black is told from frozen, also when a codec has not quite made it black", () => {
  assert.equal(watch(Array(6).fill(0)).warning, "black");
  assert.equal(watch([0, 7, 0, 7, 0, 7, 0, 7]).warning, "black");
  assert.deepEqual(watch([0, 7, 0, 7, 0, 7, 0, 7]).warningForMs, 7_000);
  assert.equal(watch([...Array(9).fill(0), 90]).warning, null);
});

Deno.test("picture watch: a reset begins anew, and another size is another picture", () => {
  const picture = watch(Array(20).fill(200));
  assert.equal(picture.warning, "frozen");
  picture.reset();
  assert.equal(picture.warning, null);
  watch(Array(5).fill(200), 30, picture);
  assert.equal(picture.warning, null);
  picture.look({ frame: 900, takenAtMs: 30_000, rgba: new Uint8ClampedArray(16).fill(200) });
  assert.equal(picture.warning, null);
});
