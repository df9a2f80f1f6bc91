// Foreground colours: F in I = alpha F + (1 - alpha) B, by blur fusion, as p3m/imaging/foreground.py estimates them.

import { boxBlur } from "./blur.js";
import { area, bilinear, resample } from "./resample.js";

/** How much smaller the copy for the wide blurs is. */
const SHRINK = 4;
/** Radii of the blurs in pixels, on the small copy and at full size. */
const WIDE = [22, 8];
const NARROW = [10, 3];
const EPSILON = 1e-5;
/** Side in pixels of the tiles in which the narrow blurs run. */
const TILE = 256;

/** @typedef {{foreground: Float32Array, background: Float32Array}} Colors  [height, width, 3] each, in [0, 255] */

/**
 * Estimate the person's own colours.
 * @param {import("./types.js").Photo} photo  opaque
 * @param {import("./types.js").Plane} alpha
 * @returns {import("./types.js").Photo}  RGBA whose alpha is the matte, rounded
 */
export function estimateForeground(photo, alpha) {
  const { width, height } = photo;
  const [w, h] = [width, height].map((side) => Math.max(Math.floor(side / SHRINK), 1));
  const [rows, columns] = [area(height, h), area(width, w)];
  // OpenCV shrinks 8-bit pictures to 8 bits.
  const pixels = resample(photo.data, width, rows, columns, 3, 4).map(Math.round);
  const weight = resample(alpha.data, width, rows, columns);
  /** @type {Colors} */
  let colors = {
    foreground: known(pixels, weight),
    background: known(pixels, weight.map((x) => 1 - x)),
  };
  for (const radius of WIDE) colors = fuse(pixels, weight, w, colors, radius);
  const out = { data: new Uint8ClampedArray(photo.data.length), width, height };
  const enlarge = { rows: bilinear(h, height), columns: bilinear(w, width) };
  for (let top = 0; top < height; top += TILE) {
    for (let left = 0; left < width; left += TILE) {
      finish(photo, alpha, colors, enlarge, { left, top, right: left + TILE, bottom: top + TILE }, out);
    }
  }
  return out;
}

/**
 * Run the narrow blurs on one tile.
 * @param {import("./types.js").Photo} photo
 * @param {import("./types.js").Plane} alpha
 * @param {Colors} small  of the small copy
 * @param {{rows: import("./resample.js").Taps, columns: import("./resample.js").Taps}} enlarge
 * @param {import("./types.js").Box} tile  may reach beyond the photo
 * @param {import("./types.js").Photo} out  changed
 */
function finish(photo, alpha, small, enlarge, tile, out) {
  const { width, height } = photo;
  const border = NARROW[0] + NARROW[1];
  const [right, bottom] = [Math.min(tile.right, width), Math.min(tile.bottom, height)];
  const around = {
    left: Math.max(tile.left - border, 0),
    top: Math.max(tile.top - border, 0),
    right: Math.min(tile.right + border, width),
    bottom: Math.min(tile.bottom + border, height),
  };
  const across = around.right - around.left;
  const weight = new Float32Array(across * (around.bottom - around.top));
  for (let y = around.top, to = 0; y < around.bottom; y++, to += across) {
    weight.set(alpha.data.subarray(y * width + around.left, y * width + around.right), to);
  }
  const isForeground = weight.every((x) => x === 1);
  const isBackground = !isForeground && weight.every((x) => x === 0);
  /** @type {Float32Array | null} */
  let foreground = null;
  if (!isForeground) {
    const part = (/** @type {Float32Array} */ map) => enlarged(map, enlarge, around);
    foreground = part(small.foreground);
    if (!isBackground) {
      const pixels = new Float32Array(3 * weight.length);
      for (let y = around.top, to = 0; y < around.bottom; y++) {
        for (let from = 4 * (y * width + around.left), x = 0; x < across; x++, from += 4, to += 3) {
          for (let c = 0; c < 3; c++) pixels[to + c] = photo.data[from + c];
        }
      }
      /** @type {Colors} */
      let colors = { foreground, background: part(small.background) };
      for (const radius of NARROW) colors = fuse(pixels, weight, across, colors, radius);
      foreground = colors.foreground;
    }
  }
  for (let y = tile.top; y < bottom; y++) {
    for (let x = tile.left; x < right; x++) {
      const to = 4 * (y * width + x);
      const from = (y - around.top) * across + x - around.left;
      for (let c = 0; c < 3; c++) {
        out.data[to + c] = foreground ? Math.trunc(foreground[3 * from + c] + 0.5) : photo.data[to + c];
      }
      out.data[to + 3] = Math.trunc(weight[from] * 255 + 0.5);
    }
  }
}

/**
 * Cut one part out of a small map enlarged bilinearly.
 * @param {Float32Array} map  [h, w, 3]
 * @param {{rows: import("./resample.js").Taps, columns: import("./resample.js").Taps}} enlarge
 * @param {import("./types.js").Box} box
 */
function enlarged(map, { rows, columns }, box) {
  // Only the part of the small map under the box, so that tiles of a large photo cost no more.
  const [down, across] = [partOf(rows, box.top, box.bottom), partOf(columns, box.left, box.right)];
  const width = end(columns);
  const length = (across.end - across.start) * 3;
  const cut = new Float32Array((down.end - down.start) * length);
  for (let y = down.start, to = 0; y < down.end; y++, to += length) {
    const from = (y * width + across.start) * 3;
    cut.set(map.subarray(from, from + length), to);
  }
  return resample(cut, across.end - across.start, down.taps, across.taps, 3);
}

/**
 * Take the taps of a part of a side: which part of the small side they need, and the taps on that part.
 * @param {import("./resample.js").Taps} all
 * @param {number} from
 * @param {number} to
 */
function partOf(all, from, to) {
  const part = { starts: all.starts.slice(from, to), weights: all.weights.slice(from, to) };
  const [start, stop] = [part.starts[0], end(part)];
  return { start, end: stop, taps: { ...part, starts: part.starts.map((first) => first - start) } };
}

/**
 * The end of what taps need of a side.
 * @param {import("./resample.js").Taps} taps
 */
function end({ starts, weights }) {
  const last = starts.length - 1;
  return starts[last] + weights[last].length;
}

/**
 * Keep the pixels that have a weight and replace the others by the weighted mean of all.
 * @param {Float32Array} pixels  [h, w, 3]
 * @param {Float32Array} weight  [h, w]
 */
function known(pixels, weight) {
  const sums = [0, 0, 0];
  let total = 0;
  for (let i = 0; i < weight.length; i++) {
    total += weight[i];
    for (let c = 0; c < 3; c++) sums[c] += weight[i] * pixels[3 * i + c];
  }
  const mean = sums.map((sum) => sum / Math.max(total, EPSILON));
  return pixels.map((x, i) => (weight[Math.floor(i / 3)] > 0 ? x : mean[i % 3]));
}

/**
 * Run one round of blur fusion.
 * @param {Float32Array} pixels  [h, w, 3]
 * @param {Float32Array} alpha  [h, w]
 * @param {number} width
 * @param {Colors} colors
 * @param {number} radius
 * @returns {Colors}
 */
function fuse(pixels, alpha, width, { foreground, background }, radius) {
  const weight = boxBlur(alpha, width, radius);
  const mine = new Float32Array(pixels.length);
  const others = new Float32Array(pixels.length);
  for (let i = 0, j = 0; i < alpha.length; i++) {
    for (let c = 0; c < 3; c++, j++) {
      mine[j] = foreground[j] * alpha[i];
      others[j] = background[j] * (1 - alpha[i]);
    }
  }
  const front = boxBlur(mine, width, radius, 3);
  const back = boxBlur(others, width, radius, 3);
  for (let i = 0, j = 0; i < alpha.length; i++) {
    for (let c = 0; c < 3; c++, j++) {
      // Pixels that no weight reaches keep the colour from a wider blur.
      const f = (front[j] + EPSILON * foreground[j]) / (weight[i] + EPSILON);
      back[j] = (back[j] + EPSILON * background[j]) / (1 - weight[i] + EPSILON);
      const corrected = f + alpha[i] * (pixels[j] - alpha[i] * f - (1 - alpha[i]) * back[j]);
      front[j] = Math.min(Math.max(corrected, 0), 255);
    }
  }
  return { foreground: front, background: back };
}
