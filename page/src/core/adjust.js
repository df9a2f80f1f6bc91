// Soften, grow or shrink a matte: p3m/imaging/adjust.py.

import { gaussianBlur } from "./blur.js";
import { area, bilinear, resample } from "./resample.js";

/** Alpha above which a pixel counts as part of an area. */
export const SEEN = 10 / 255;
/** Radius in pixels of the largest disc in one step of growing or shrinking. */
const STEP = 5;
/** Standard deviation in pixels of the widest blur computed at full size; wider ones run on a smaller copy. */
const WIDE = 8;
/** Side of the blocks that are skipped where the matte has one value all around. */
const BLOCK = 16;

/**
 * Adjust a matte; in this order: feather, shift.
 * @param {import("./types.js").Plane} alpha
 * @param {number} feather  how far to soften edges, in pixels
 * @param {number} shift  by how many pixels to grow the matte, or to shrink it if below 0
 * @returns {import("./types.js").Plane}  the matte itself where nothing is to be adjusted
 */
export function adjust(alpha, feather, shift) {
  let data = alpha.data;
  if (feather) data = blur(alpha, feather / 2).map((x) => Math.min(Math.max(x, 0), 1));
  for (let left = Math.abs(shift); left > 0; left -= STEP) {
    data = moved({ ...alpha, data }, Math.min(left, STEP), shift > 0);
  }
  return { ...alpha, data };
}

/**
 * @param {import("./types.js").Plane} alpha
 * @param {number} sigma
 */
function blur({ data, width, height }, sigma) {
  const by = Math.min(Math.trunc(sigma / WIDE), height, width);
  if (by < 2) return gaussianBlur(data, width, sigma, "repeat");
  // Shrinking and enlarging also blur, by a box and a triangle; these are their variances.
  const rest = Math.sqrt(sigma ** 2 - by ** 2 / 12 - by ** 2 / 6) / by;
  const [w, h] = [Math.floor(width / by), Math.floor(height / by)];
  const small = gaussianBlur(resample(data, width, area(height, h), area(width, w)), w, rest, "repeat");
  return resample(small, w, bilinear(h, height), bilinear(w, width));
}

/**
 * Grey dilation or erosion by a disc.
 * @param {import("./types.js").Plane} alpha
 * @param {number} radius
 * @param {boolean} grows
 */
function moved({ data, width, height }, radius, grows) {
  const out = data.slice();
  const better = grows ? Math.max : Math.min;
  const reach = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.floor(Math.sqrt(radius * radius + 2 - (i - radius) ** 2)),
  );
  for (let top = 0; top < height; top += BLOCK) {
    for (let left = 0; left < width; left += BLOCK) {
      if (isUniform(data, width, height, left, top, radius)) continue;
      for (let y = top; y < Math.min(top + BLOCK, height); y++) {
        for (let x = left; x < Math.min(left + BLOCK, width); x++) {
          let best = data[y * width + x];
          for (let row = Math.max(y - radius, 0); row <= Math.min(y + radius, height - 1); row++) {
            const side = reach[row - y + radius];
            const stop = row * width + Math.min(x + side, width - 1);
            for (let i = row * width + Math.max(x - side, 0); i <= stop; i++) best = better(best, data[i]);
          }
          out[y * width + x] = best;
        }
      }
    }
  }
  return out;
}

/**
 * Tell whether a block and its surroundings have one value.
 * @param {Float32Array} data
 * @param {number} width
 * @param {number} height
 * @param {number} left
 * @param {number} top
 * @param {number} radius
 */
function isUniform(data, width, height, left, top, radius) {
  const value = data[top * width + left];
  for (let y = Math.max(top - radius, 0); y < Math.min(top + BLOCK + radius, height); y++) {
    const end = y * width + Math.min(left + BLOCK + radius, width);
    for (let i = y * width + Math.max(left - radius, 0); i < end; i++) if (data[i] !== value) return false;
  }
  return true;
}
