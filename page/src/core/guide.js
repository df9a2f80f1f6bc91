// Corrections by hand: keep, remove and decide, as p3m/inference/guide.py understands them.

import { gaussianBlur } from "./blur.js";

/** What a pixel of corrections means; 0 is nothing. */
export const [KEEP, REMOVE, DECIDE] = [1, 2, 3];
/** Standard deviation in pixels of the rim with which kept and removed places end. */
const RIM = 1;

/**
 * A stroke of a brush: a line of round dots, in pixels of the photo.
 * @typedef {{kind: 1 | 2 | 3, radius: number, points: [number, number][]}} Stroke
 */

/**
 * Draw strokes; where they overlap, the later one wins.
 * @param {Stroke[]} strokes
 * @param {number} width
 * @param {number} height
 * @returns {import("./types.js").Marks | null}  KEEP, REMOVE, DECIDE or 0; null without strokes
 */
export function drawCorrections(strokes, width, height) {
  if (!strokes.length) return null;
  const data = new Uint8Array(width * height);
  for (const { kind, radius, points } of strokes) {
    points.forEach((end, i) => drawLine(data, width, height, points[Math.max(i - 1, 0)], end, radius, kind));
  }
  return { data, width, height };
}

/**
 * @param {Uint8Array} data  changed
 * @param {number} width
 * @param {number} height
 * @param {[number, number]} start
 * @param {[number, number]} end
 * @param {number} radius
 * @param {number} kind
 */
function drawLine(data, width, height, [x0, y0], [x1, y1], radius, kind) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const top = Math.max(Math.floor(Math.min(y0, y1) - radius), 0);
  const bottom = Math.min(Math.ceil(Math.max(y0, y1) + radius), height - 1);
  const left = Math.max(Math.floor(Math.min(x0, x1) - radius), 0);
  const right = Math.min(Math.ceil(Math.max(x0, x1) + radius), width - 1);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [px, py] = [x + 0.5 - x0, y + 0.5 - y0];
      const along = length ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius) data[y * width + x] = kind;
    }
  }
}

/**
 * Mark the places of one kind.
 * @param {import("./types.js").Marks | null} corrections
 * @param {number} kind
 * @returns {import("./types.js").Marks | null}  0 or 1; null where there is none
 */
export function only(corrections, kind) {
  if (!corrections?.data.includes(kind)) return null;
  return { ...corrections, data: corrections.data.map((found) => (found === kind ? 1 : 0)) };
}

/**
 * Set alpha to 1 where corrections keep and to 0 where they remove, with a soft rim.
 * @param {import("./types.js").Plane} alpha
 * @param {import("./types.js").Marks | null} corrections  of the same size
 * @returns {import("./types.js").Plane}  alpha itself where nothing changes
 */
export function correct(alpha, corrections) {
  let { data } = alpha;
  for (const [kind, value] of [[KEEP, 1], [REMOVE, 0]]) {
    const marks = only(corrections, kind);
    if (!marks) continue;
    const share = gaussianBlur(Float32Array.from(marks.data), marks.width, RIM, "repeat");
    data = data.map((x, i) => x + (value - x) * share[i]);
  }
  return { ...alpha, data };
}
