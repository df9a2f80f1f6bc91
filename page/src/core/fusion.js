// Both passes into one matte: p3m/inference/fusion.py.

import { BACKGROUND, FOREGROUND, UNKNOWN } from "./classes.js";
import { dilate, SQUARE_5 } from "./morphology.js";
import { bilinear, resample, resize } from "./resample.js";

/** Slack for the rounding of the interpolation's weights. */
const EXACT = 1e-5;
/** Rows of the photo that are fused at a time. */
const STRIP = 64;

/**
 * Choose the class of each pixel.
 * @param {Float32Array} logits  [3, height, width] of the global pass
 * @param {number} height
 * @param {number} width
 * @param {number | null} unknownAbove  the probability from which on a pixel is unknown; null takes the likeliest class
 * @returns {import("./types.js").Marks}
 */
export function classify(logits, height, width, unknownAbove) {
  const pixels = height * width;
  const data = new Uint8Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const [b, u, f] = [logits[i], logits[pixels + i], logits[2 * pixels + i]];
    if (unknownAbove === null) data[i] = u > b && u >= f ? UNKNOWN : f > b ? FOREGROUND : BACKGROUND;
    else if (1 / (1 + Math.exp(b - u) + Math.exp(f - u)) > unknownAbove) data[i] = UNKNOWN;
    else data[i] = f > b ? FOREGROUND : BACKGROUND;
  }
  return { data, width, height };
}

/**
 * Fuse both passes at a photo's size: the classes decide, and the local alpha fills the unknown area.
 * @param {import("./types.js").Marks} classes
 * @param {import("./types.js").Plane} local
 * @param {number} height  of the photo
 * @param {number} width  of the photo
 * @returns {import("./types.js").Plane}
 */
export function fusePasses(classes, local, height, width) {
  const data = new Float32Array(height * width);
  inStrips([planeOf(classes), local], height, width, (start, [kinds, alphas]) => {
    for (let i = 0, to = start; i < kinds.length; i++, to++) {
      const kind = classAt(kinds[i]);
      data[to] = kind === UNKNOWN ? Math.min(Math.max(alphas[i], 0), 1) : kind / 2;
    }
  });
  return { data, width, height };
}

/**
 * Enlarge classes so that fusePasses makes the same matte of them.
 * @param {import("./types.js").Marks} classes
 * @param {number} height
 * @param {number} width
 * @returns {import("./types.js").Marks}  with data of its own
 */
export function enlargeClasses(classes, height, width) {
  const data = new Uint8Array(height * width);
  inStrips([planeOf(classes)], height, width, (start, [kinds]) => {
    for (let i = 0; i < kinds.length; i++) data[start + i] = classAt(kinds[i]);
  });
  return { data, width, height };
}

/**
 * The class of a scaled pixel: a value is exactly 0 or 2 only where no other class is near.
 * @param {number} value
 */
function classAt(value) {
  return value < EXACT ? BACKGROUND : value > 2 - EXACT ? FOREGROUND : UNKNOWN;
}

/** @param {import("./types.js").Marks} marks */
function planeOf(marks) {
  return { ...marks, data: Float32Array.from(marks.data) };
}

/**
 * Resize planes, and use some rows at a time.
 * @param {import("./types.js").Plane[]} planes
 * @param {number} height
 * @param {number} width
 * @param {(start: number, parts: Float32Array[]) => void} use  takes the place of the first pixel, and rows of each plane
 */
function inStrips(planes, height, width, use) {
  const wide = planes.map((plane) => resize(plane, plane.height, width));
  const rows = wide.map((plane) => bilinear(plane.height, height));
  const whole = { starts: Int32Array.from({ length: width }, (_, x) => x), weights: Array(width).fill([1]) };
  for (let top = 0; top < height; top += STRIP) {
    const parts = wide.map((plane, i) => {
      const { starts, weights } = rows[i];
      const some = { starts: starts.subarray(top, top + STRIP), weights: weights.slice(top, top + STRIP) };
      return resample(plane.data, width, some, whole);
    });
    use(top * width, parts);
  }
}

/**
 * Shrink an area of a photo to where its local alpha is needed.
 * @param {import("./types.js").Marks} area  0 or 1
 * @param {{height: number, width: number}} size
 * @returns {Uint8Array}  0 or 1
 */
export function shrinkArea(area, { height, width }) {
  const shrunk = new Uint8Array(height * width);
  for (let y = 0, i = 0; y < area.height; y++) {
    for (let x = 0; x < area.width; x++, i++) {
      if (!area.data[i]) continue;
      // All places under the pixel, of which it may cover parts of several.
      const [top, bottom] = [(y * height) / area.height, ((y + 1) * height) / area.height];
      const [left, right] = [(x * width) / area.width, ((x + 1) * width) / area.width];
      for (let row = Math.floor(top); row < bottom; row++) {
        for (let column = Math.floor(left); column < right; column++) shrunk[row * width + column] = 1;
      }
    }
  }
  return dilate(shrunk, width, SQUARE_5);
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
