// The windows around the unknown area in which the local alpha is computed.

/** Side of the cells of which windows consist, in pixels. */
const CELL = 32;
/** What starting a window costs, in pixels that could be computed instead. */
const START = 20000;

/**
 * Cover all wanted places with windows that cost little in all.
 * @param {import("./types.js").Marks} wanted  0 or 1, laid over the whole map
 * @param {number} height  of the map
 * @param {number} width  of the map
 * @param {number} margin  pixels that each window needs around itself
 * @returns {import("./types.js").Box[]}  multiples of 4, except at the end of the map
 */
export function windowsAround(wanted, height, width, margin) {
  /** @type {import("./types.js").Box[]} */
  const boxes = [];
  for (let top = 0; top < height; top += CELL) {
    const bottom = Math.min(top + CELL, height);
    for (let left = 0; left < width; left += CELL) {
      const right = Math.min(left + CELL, width);
      if (!anyIn(wanted, top / height, bottom / height, left / width, right / width)) continue;
      const last = boxes[boxes.length - 1];
      if (last && last.top === top && last.right === left) last.right = right;
      else boxes.push({ left, top, right, bottom });
    }
  }
  const cost = (/** @type {import("./types.js").Box} */ { left, top, right, bottom }) =>
    (Math.min(right + margin, width) - Math.max(left - margin, 0)) *
      (Math.min(bottom + margin, height) - Math.max(top - margin, 0)) +
    START;
  // Join the pair that saves most, until no pair saves anything.
  for (;;) {
    let best = { saved: 0, i: -1, j: -1 };
    for (let i = 0; i < boxes.length; i++) {
      for (let j = i + 1; j < boxes.length; j++) {
        const saved = cost(boxes[i]) + cost(boxes[j]) - cost(around(boxes[i], boxes[j]));
        if (saved > best.saved) best = { saved, i, j };
      }
    }
    if (!best.saved) return boxes;
    boxes[best.i] = around(boxes[best.i], boxes[best.j]);
    boxes.splice(best.j, 1);
  }
}

/**
 * @param {import("./types.js").Box} a
 * @param {import("./types.js").Box} b
 */
function around(a, b) {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

/**
 * Tell whether anything is marked in a part of a map; top, bottom, left and right are shares of its sides.
 * @param {import("./types.js").Marks} marks
 * @param {number} top
 * @param {number} bottom
 * @param {number} left
 * @param {number} right
 */
function anyIn({ data, width, height }, top, bottom, left, right) {
  for (let y = Math.floor(top * height); y < Math.ceil(bottom * height); y++) {
    for (let x = Math.floor(left * width); x < Math.ceil(right * width); x++) if (data[y * width + x]) return true;
  }
  return false;
}

/**
 * Cut a window out of a map of several channels.
 * @param {ArrayLike<number> & {subarray: Float32Array["subarray"]}} map  [channels, height, width]
 * @param {number} channels
 * @param {number} height
 * @param {number} width
 * @param {import("./types.js").Box} box
 * @returns {Float32Array}
 */
export function cut(map, channels, height, width, { left, top, right, bottom }) {
  const [h, w] = [bottom - top, right - left];
  const out = new Float32Array(channels * h * w);
  for (let c = 0, to = 0; c < channels; c++) {
    for (let y = top; y < bottom; y++, to += w) {
      const from = (c * height + y) * width + left;
      out.set(map.subarray(from, from + w), to);
    }
  }
  return out;
}
