// Dilation, erosion and connected areas, as OpenCV computes them.

/**
 * How far a structuring element reaches to both sides, in each of its rows.
 * @typedef {number[]} Element
 */

/** @type {Element} */
export const SQUARE_3 = [1, 1, 1];
/** @type {Element} */
export const SQUARE_5 = [2, 2, 2, 2, 2];
/** @type {Element} */
export const SQUARE_7 = [3, 3, 3, 3, 3, 3, 3];
/** An ellipse of 7 x 7. @type {Element} */
export const ELLIPSE_7 = [0, 2, 3, 3, 3, 2, 0];

/**
 * Mark what lies within reach of a mark; nothing lies beyond the border.
 * @param {Uint8Array} marks  0 or 1
 * @param {number} width
 * @param {Element} element
 */
export function dilate(marks, width, element) {
  const height = marks.length / width;
  const out = new Uint8Array(marks.length);
  const up = (element.length - 1) / 2;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!marks[i]) continue;
      for (let j = 0; j < element.length; j++) {
        const row = y + j - up;
        if (row < 0 || row >= height) continue;
        const [from, to] = [Math.max(x - element[j], 0), Math.min(x + element[j] + 1, width)];
        out.fill(1, row * width + from, row * width + to);
      }
    }
  }
  return out;
}

/**
 * Keep the marks whose surroundings are marked; beyond the border all is marked.
 * @param {Uint8Array} marks  0 or 1
 * @param {number} width
 * @param {Element} element
 */
export function erode(marks, width, element) {
  return inverted(dilate(inverted(marks), width, element));
}

/** @param {Uint8Array} marks  0 or 1 */
function inverted(marks) {
  return marks.map((mark) => 1 - mark);
}

/**
 * Number the connected areas of marks; pixels that touch at a corner are connected.
 * @param {Uint8Array} marks  0 or 1
 * @param {number} width
 * @returns {{labels: Int32Array, sizes: number[]}}  label 0 is what is not marked; the pixels of each label
 */
export function connectedAreas(marks, width) {
  const labels = new Int32Array(marks.length);
  const sizes = [0];
  const open = new Int32Array(marks.length);
  const height = marks.length / width;
  for (let first = 0; first < marks.length; first++) {
    if (!marks[first] || labels[first]) continue;
    const label = sizes.length;
    let count = 0;
    let size = 0;
    open[count++] = first;
    labels[first] = label;
    while (count) {
      const i = open[--count];
      size++;
      const [x, y] = [i % width, Math.floor(i / width)];
      for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
        for (let j = row * width + Math.max(x - 1, 0); j <= row * width + Math.min(x + 1, width - 1); j++) {
          if (marks[j] && !labels[j]) {
            labels[j] = label;
            open[count++] = j;
          }
        }
      }
    }
    sizes.push(size);
  }
  sizes[0] = marks.length - sizes.reduce((a, b) => a + b, 0);
  return { labels, sizes };
}
