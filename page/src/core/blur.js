// Box and Gaussian blurs, as OpenCV computes them.

/** @typedef {"mirror" | "repeat" | "zero"} Border  what lies beyond the picture; mirror leaves out the edge itself */

/**
 * The place inside a side of a place beyond it, or -1 where zeros are.
 * @param {number} i
 * @param {number} length
 * @param {Border} border
 */
function inside(i, length, border) {
  if (i >= 0 && i < length) return i;
  if (border === "zero") return -1;
  if (border === "repeat" || length === 1) return i < 0 ? 0 : length - 1;
  const turn = 2 * (length - 1);
  const place = ((i % turn) + turn) % turn;
  return place < length ? place : turn - place;
}

/**
 * The mean of the square around each pixel (cv2.blur); the picture is mirrored at its border.
 * @param {Float32Array} source  [height, width, channels]
 * @param {number} width
 * @param {number} radius
 * @param {number} [channels]
 * @returns {Float32Array}
 */
export function boxBlur(source, width, radius, channels = 1) {
  const height = source.length / width / channels;
  const size = 2 * radius + 1;
  const lines = new Float32Array(source.length);
  const row = width * channels;
  const across = reflected(width, radius);
  for (let y = 0; y < height; y++) {
    for (let c = 0; c < channels; c++) {
      const start = y * row + c;
      let sum = 0;
      for (let i = 0; i < size; i++) sum += source[start + across[i] * channels];
      for (let x = 0, to = start; x < width; x++, to += channels) {
        lines[to] = sum / size;
        sum += source[start + across[x + size] * channels] - source[start + across[x] * channels];
      }
    }
  }
  const out = new Float32Array(source.length);
  const sums = new Float64Array(row);
  const down = reflected(height, radius);
  for (let i = 0; i < size; i++) {
    const from = down[i] * row;
    for (let x = 0; x < row; x++) sums[x] += lines[from + x];
  }
  for (let y = 0; y < height; y++) {
    const [next, last] = [down[y + size] * row, down[y] * row];
    for (let x = 0, to = y * row; x < row; x++, to++) {
      out[to] = sums[x] / size;
      sums[x] += lines[next + x] - lines[last + x];
    }
  }
  return out;
}

/**
 * The places of a side from -radius to length + radius, mirrored at both ends.
 * @param {number} length
 * @param {number} radius
 */
function reflected(length, radius) {
  return Int32Array.from({ length: length + 2 * radius + 1 }, (_, i) => inside(i - radius, length, "mirror"));
}

/**
 * cv2.GaussianBlur of floating-point values: the kernel ends four standard deviations from its middle.
 * @param {Float32Array} source  [height, width, channels]
 * @param {number} width
 * @param {number} sigma  standard deviation in pixels
 * @param {Border} border
 * @param {number} [channels]
 * @returns {Float32Array}
 */
export function gaussianBlur(source, width, sigma, border, channels = 1) {
  const height = source.length / width / channels;
  const reach = Math.round(sigma * 8 + 1) >> 1;
  const kernel = Float32Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma ** 2)));
  const total = kernel.reduce((a, b) => a + b, 0);
  kernel.forEach((x, i) => (kernel[i] = x / total));
  const row = width * channels;
  const lines = new Float32Array(source.length);
  const padded = new Float32Array((width + 2 * reach) * channels);
  for (let y = 0; y < height; y++) {
    for (let x = -reach; x < width + reach; x++) {
      const from = inside(x, width, border);
      for (let c = 0; c < channels; c++) {
        padded[(x + reach) * channels + c] = from < 0 ? 0 : source[y * row + from * channels + c];
      }
    }
    const target = lines.subarray(y * row, (y + 1) * row);
    for (let k = 0; k < kernel.length; k++) {
      const share = kernel[k];
      for (let i = 0, from = k * channels; i < row; i++, from++) target[i] += share * padded[from];
    }
  }
  const out = new Float32Array(source.length);
  for (let y = 0; y < height; y++) {
    const target = out.subarray(y * row, (y + 1) * row);
    for (let k = 0; k < kernel.length; k++) {
      const from = inside(y + k - reach, height, border);
      if (from < 0) continue;
      const [share, line] = [kernel[k], lines.subarray(from * row, (from + 1) * row)];
      for (let i = 0; i < row; i++) target[i] += share * line[i];
    }
  }
  return out;
}
