// Both passes into one matte: p3m/inference/fusion.py.

import { dilate, SQUARE_5 } from "./morphology.js";
import { bilinear, resample, resize } from "./resample.js";
import { BACKGROUND, FOREGROUND, UNKNOWN } from "./second_look.js";

/** Slack for the rounding of the interpolation's weights. */
const EXACT = 1e-5;
/** Rows of the photo that are fused at a time. */
const STRIP = 64;

/**
 * Fuse both passes at a photo's size: the classes decide, and the local alpha fills the unknown area.
 * @param {import("./types.js").Marks} classes
 * @param {import("./types.js").Plane} local
 * @param {number} height  of the photo
 * @param {number} width  of the photo
 * @returns {import("./types.js").Plane}
 */
export function fusePasses(classes, local, height, width) {
  const trimap = widened({ ...classes, data: Float32Array.from(classes.data) }, width);
  const fine = widened(local, width);
  const [trimapRows, fineRows] = [bilinear(trimap.height, height), bilinear(fine.height, height)];
  const whole = { starts: Int32Array.from({ length: width }, (_, x) => x), weights: Array(width).fill([1]) };
  const data = new Float32Array(height * width);
  for (let top = 0; top < height; top += STRIP) {
    const rows = (/** @type {import("./resample.js").Taps} */ all) => ({
      starts: all.starts.subarray(top, top + STRIP),
      weights: all.weights.slice(top, top + STRIP),
    });
    const kinds = resample(trimap.data, width, rows(trimapRows), whole);
    const alphas = resample(fine.data, width, rows(fineRows), whole);
    for (let i = 0, to = top * width; i < kinds.length; i++, to++) {
      // After scaling, a class is exactly 0 or 2 only where no other class is near: there the class decides.
      if (kinds[i] < EXACT) data[to] = 0;
      else data[to] = kinds[i] > 2 - EXACT ? 1 : Math.min(Math.max(alphas[i], 0), 1);
    }
  }
  return { data, width, height };
}

/**
 * @param {import("./types.js").Plane} plane
 * @param {number} width
 */
function widened(plane, width) {
  return resize(plane, plane.height, width);
}

/**
 * Tell where fusePasses needs the local alpha, if neither map is larger than the photo.
 * @param {import("./types.js").Marks} classes
 * @returns {Uint8Array}  0 or 1
 */
export function undecided({ data, width }) {
  const near = [BACKGROUND, UNKNOWN, FOREGROUND].map((kind) =>
    dilate(data.map((found) => (found === kind ? 1 : 0)), width, SQUARE_5),
  );
  return data.map((kind, i) => (kind === UNKNOWN || near[0][i] + near[1][i] + near[2][i] > 1 ? 1 : 0));
}
