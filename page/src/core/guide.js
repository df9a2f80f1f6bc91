// Corrections by hand: keep, remove and decide, p3m/imaging/guide.py.

import { dilate, SQUARE_3 } from "./morphology.js";

/** What a pixel of corrections means; 0 is nothing. */
export const [KEEP, REMOVE, DECIDE] = [1, 2, 3];

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
 * Set alpha to 1 where a stroke keeps and to 0 where one removes, with a soft rim of two pixels outside that reaches into
 * no other stroke.
 * @param {import("./types.js").Plane} alpha
 * @param {import("./types.js").Marks | null} corrections  of the same size
 * @returns {import("./types.js").Plane}  alpha itself where nothing changes
 */
export function paint(alpha, corrections) {
  let { data } = alpha;
  for (const stroke of [KEEP, REMOVE]) {
    const marks = only(corrections, stroke);
    if (!corrections || !marks) continue;
    const rim = softRim(marks);
    data = data.map((x, i) => {
      const other = corrections.data[i] && !marks.data[i];
      const share = marks.data[i] ? 1 : other ? 0 : rim[i];
      return stroke === KEEP ? Math.max(x, share) : Math.min(x, 1 - share);
    });
  }
  return { ...alpha, data };
}

/**
 * Widen marks by a pixel, and take the mean of 3 x 3.
 * @param {import("./types.js").Marks} marks
 */
function softRim({ data, width, height }) {
  const wide = dilate(data, width, SQUARE_3);
  const rim = new Float32Array(data.length);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      let sum = 0;
      for (let row = y - 1; row <= y + 1; row++) {
        const start = Math.min(Math.max(row, 0), height - 1) * width;
        for (let column = x - 1; column <= x + 1; column++) {
          sum += wide[start + Math.min(Math.max(column, 0), width - 1)];
        }
      }
      rim[i] = sum / 9;
    }
  }
  return rim;
}
