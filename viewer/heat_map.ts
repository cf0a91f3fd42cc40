/**
 * Colours of the overlay: viridis, perceptually uniform and readable in every kind of colour blindness.
 *
 * The polynomial is Matt Zucker's fit of matplotlib's table (shadertoy.com/view/WlfXRN, CC0). Both renderers look the
 * colours up in this one table, so that they agree.
 */

/** Coefficients of t^0 to t^6, each red, green, blue. */
const VIRIDIS = [
  [0.2777273272234177, 0.005407344544966578, 0.3340998053353061],
  [0.1050930431085774, 1.404613529898575, 1.384590162594685],
  [-0.3308618287255563, 0.214847559468213, 0.09509516302823659],
  [-4.634230498983486, -5.799100973351585, -19.33244095627987],
  [6.228269936347081, 14.17993336680509, 56.69055260068105],
  [4.776384997670288, -13.74514537774601, -65.35303263337234],
  [-5.435455855934631, 4.645852612178535, 26.3124352495832],
] as const;

/** 256 RGBA colours. Heat 0 is transparent: nothing is known there, so the picture alone is shown; others are opaque. */
export function heatColours(): Uint8Array<ArrayBuffer> {
  const colours = new Uint8Array(256 * 4);
  for (let heat = 0; heat < 256; heat++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = VIRIDIS.reduceRight((sum, row) => sum * (heat / 255) + row[channel]!, 0);
      colours[heat * 4 + channel] = Math.round(Math.min(1, Math.max(0, value)) * 255);
    }
    colours[heat * 4 + 3] = heat === 0 ? 0 : 255;
  }
  return colours;
}
