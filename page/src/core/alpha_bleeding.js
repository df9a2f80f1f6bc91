// Alpha bleeding: replace the hidden colours of a cut-out, which would hold the photo's whole background, as
// p3m/imaging/alpha_bleeding.py does.

import { gaussianBlur } from "./blur.js";
import { bilinear, resample } from "./resample.js";

/** How far the person's colours extend beyond the matte, in pixels. */
const REACH = 16;
/** Largest alpha, 0 to 255, at which the person does not show. */
const FAINT = 3;
const SHRINK = 4;
/** Pixels less opaque than this hold too much of the background. */
const OPAQUE = 240;
/** Standard deviations of the blurs on the small copy; the narrowest blur that reaches the person gives the colour. */
const BLURS = [18, 6, 2];
const EPSILON = 1e-3;

/**
 * Replace the colours where alpha is 0 (or nearly 0), in place.
 * @param {import("./types.js").Photo} person  changed
 */
export function replaceHiddenColors({ data, width, height }) {
  const seen = new Uint8Array(width * height);
  for (let i = 0; i < seen.length; i++) seen[i] = data[4 * i + 3] > FAINT ? 1 : 0;
  const near = withinReach(seen, width);
  const { small, w } = continuation({ data, width, height });
  const [rows, columns] = [bilinear(small.length / w / 3, Math.ceil(height / SHRINK) * SHRINK), bilinear(w, w * SHRINK)];
  for (let y = 0, i = 0; y < height; y++) {
    const first = i;
    /** @type {Float32Array | null} */
    let line = null;
    for (let x = 0; x < width; x++, i++) {
      if (seen[i]) continue;
      if (!near[i]) {
        data.fill(0, 4 * i, 4 * i + 3);
        continue;
      }
      line ??= resample(small, w, { starts: rows.starts.subarray(y, y + 1), weights: [rows.weights[y]] }, columns, 3);
      for (let c = 0; c < 3; c++) data[4 * i + c] = Math.round(line[3 * (i - first) + c]);
    }
  }
}

/**
 * Mark what is at most REACH pixels away from a mark in each direction.
 * @param {Uint8Array} marks
 * @param {number} width
 */
function withinReach(marks, width) {
  const height = marks.length / width;
  const across = new Uint8Array(marks.length);
  for (let y = 0; y < height; y++) spread(marks, across, y * width, 1, width);
  const out = new Uint8Array(marks.length);
  for (let x = 0; x < width; x++) spread(across, out, x, width, height);
  return out;
}

/**
 * Widen the marks of one row or column.
 * @param {Uint8Array} marks
 * @param {Uint8Array} out  changed
 * @param {number} start
 * @param {number} step
 * @param {number} count
 */
function spread(marks, out, start, step, count) {
  for (const [first, by] of [[start, step], [start + (count - 1) * step, -step]]) {
    for (let n = 0, i = first, left = 0; n < count; n++, i += by) {
      left = marks[i] ? REACH + 1 : left - 1;
      if (left > 0) out[i] = 1;
    }
  }
}

/**
 * Spread the person's colours over a small copy.
 * @param {import("./types.js").Photo} person
 * @returns {{small: Float32Array, w: number}}  [h, w, 3] in [0, 255], and w
 */
function continuation({ data, width, height }) {
  const [w, h] = [Math.ceil(width / SHRINK), Math.ceil(height / SHRINK)];
  const small = new Float32Array(w * h * 4);
  for (let y = 0; y < h * SHRINK; y++) {
    const row = Math.min(y, height - 1) * width;
    for (let x = 0; x < w * SHRINK; x++) {
      const from = 4 * (row + Math.min(x, width - 1));
      if (data[from + 3] < OPAQUE) continue;
      const to = 4 * (Math.floor(y / SHRINK) * w + Math.floor(x / SHRINK));
      for (let c = 0; c < 3; c++) small[to + c] += data[from + c] / SHRINK ** 2;
      small[to + 3] += 1 / SHRINK ** 2;
    }
  }
  const totals = [0, 0, 0, 0];
  small.forEach((x, i) => (totals[i % 4] += x));
  let colors = new Float32Array(w * h * 3);
  colors.forEach((_, i) => (colors[i] = totals[i % 3] / Math.max(totals[3], EPSILON)));
  for (const sigma of BLURS) {
    const spread = gaussianBlur(small, w, sigma, "zero", 4);
    colors = colors.map((x, i) => {
      const from = 4 * Math.floor(i / 3);
      return (spread[from + (i % 3)] + EPSILON * x) / (spread[from + 3] + EPSILON);
    });
  }
  return { small: colors.map((x) => Math.trunc(Math.min(Math.max(x + 0.5, 0), 255))), w };
}
