// Separable resampling, with the weights of PyTorch's anti-aliased bilinear interpolation and of OpenCV's INTER_AREA.
// A canvas would scale by rules that differ from browser to browser.

/**
 * Which pixels of a side make one pixel of the resized side.
 * @typedef {{starts: Int32Array, weights: Float32Array[]}} Taps
 */

/**
 * Bilinear, anti-aliased where it shrinks; where it enlarges, plain bilinear.
 * @param {number} length  pixels of the side
 * @param {number} wanted  pixels of the resized side
 * @returns {Taps}
 */
export function bilinear(length, wanted) {
  const scale = length / wanted;
  const support = Math.max(scale, 1);
  return taps(wanted, (i) => {
    const center = scale * (i + 0.5);
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), length);
    return [start, end, (j) => Math.max(1 - Math.abs(j - center + 0.5) / support, 0)];
  });
}

/**
 * The mean of the covered pixels, as cv2.INTER_AREA takes it where it shrinks.
 * @param {number} length  pixels of the side
 * @param {number} wanted  pixels of the resized side, at most as many
 * @returns {Taps}
 */
export function area(length, wanted) {
  const scale = length / wanted;
  return taps(wanted, (i) => {
    const [from, to] = [i * scale, (i + 1) * scale];
    return [Math.floor(from), Math.min(Math.ceil(to), length), (j) => Math.min(j + 1, to) - Math.max(j, from)];
  });
}

/**
 * @param {number} wanted
 * @param {(i: number) => [number, number, (j: number) => number]} find  first pixel, end, and the weight of each
 * @returns {Taps}
 */
function taps(wanted, find) {
  const starts = new Int32Array(wanted);
  const weights = [];
  for (let i = 0; i < wanted; i++) {
    const [start, end, weight] = find(i);
    const found = Array.from({ length: Math.max(end - start, 1) }, (_, j) => Math.max(weight(start + j), 0));
    const total = found.reduce((a, b) => a + b, 0) || 1;
    starts[i] = start;
    weights.push(Float32Array.from(found, (x) => x / total));
  }
  return { starts, weights };
}

/**
 * Resize the rows and the columns of a picture.
 * @param {ArrayLike<number>} source  [height, width, step]
 * @param {number} width
 * @param {Taps} rows
 * @param {Taps} columns
 * @param {number} [channels]  how many of the values of a pixel are wanted
 * @param {number} [step]  how many values a pixel has
 * @returns {Float32Array}  [new height, new width, channels]
 */
export function resample(source, width, rows, columns, channels = 1, step = channels) {
  const [h, w] = [rows.starts.length, columns.starts.length];
  const out = new Float32Array(h * w * channels);
  const line = new Float32Array(width * channels);
  for (let y = 0; y < h; y++) {
    line.fill(0);
    const lineWeights = rows.weights[y];
    for (let j = 0; j < lineWeights.length; j++) {
      const share = lineWeights[j];
      let from = (rows.starts[y] + j) * width * step;
      if (step === channels) {
        for (let x = 0; x < line.length; x++) line[x] += share * source[from + x];
      } else {
        for (let x = 0; x < line.length; x += channels, from += step) {
          for (let c = 0; c < channels; c++) line[x + c] += share * source[from + c];
        }
      }
    }
    for (let x = 0, to = y * w * channels; x < w; x++, to += channels) {
      const shares = columns.weights[x];
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let j = 0, from = columns.starts[x] * channels + c; j < shares.length; j++, from += channels) {
          sum += shares[j] * line[from];
        }
        out[to + c] = sum;
      }
    }
  }
  return out;
}

/**
 * Resize bilinearly, anti-aliased where it shrinks: resize in p3m/inference/preprocess.py.
 * @param {import("./types.js").Plane} plane
 * @param {number} height
 * @param {number} width
 * @returns {import("./types.js").Plane}  the plane itself where it has that size
 */
export function resize(plane, height, width) {
  if (plane.height === height && plane.width === width) return plane;
  const data = resample(plane.data, plane.width, bilinear(plane.height, height), bilinear(plane.width, width));
  return { data, width, height };
}
