// Backgrounds: a picture that fills the frame, or the photo's own background, blurred: p3m/imaging/backgrounds.py.

import { gaussianBlur } from "./blur.js";
import { piece } from "./long_photos.js";
import { area, bilinear, resample } from "./resample.js";

const SHRINK = 4;
const EPSILON = 1e-4;

/**
 * Scale a picture until it covers a size and crop the rest evenly.
 * @param {import("./types.js").Photo} picture  opaque
 * @param {number} height
 * @param {number} width
 * @returns {import("./types.js").Photo}  opaque
 */
export function cropToFill(picture, height, width) {
  const scale = Math.max(height / picture.height, width / picture.width);
  const [h, w] = [
    Math.min(Math.max(Math.round(height / scale), 1), picture.height),
    Math.min(Math.max(Math.round(width / scale), 1), picture.width),
  ];
  const [top, left] = [(picture.height - h) >> 1, (picture.width - w) >> 1];
  const cut = piece(picture, { left, top, right: left + w, bottom: top + h }, 4);
  return opaque(resample(cut.data, w, bilinear(h, height), bilinear(w, width), 3, 4), width, height);
}

/**
 * Blur the photo's own background as if it were out of focus; the person does not bleed into it.
 * @param {import("./types.js").Photo} photo  opaque
 * @param {import("./types.js").Plane} alpha
 * @param {number} blur  standard deviation as a fraction of the longest side
 * @param {boolean} [whole]  whether at the photo's size, or at a quarter of it, which suffices for a preview
 * @returns {import("./types.js").Photo}  opaque
 */
export function blurredBackground(photo, alpha, blur, whole = true) {
  const { width, height } = photo;
  const [w, h] = [width, height].map((side) => Math.max(Math.floor(side / SHRINK), 1));
  const sigma = Math.max(blur * Math.max(w, h), 0.5);
  const weighted = new Float32Array(width * height * 3);
  for (let i = 0, j = 0; i < alpha.data.length; i++) {
    for (let c = 0; c < 3; c++, j++) weighted[j] = photo.data[4 * i + c] * (1 - alpha.data[i]);
  }
  const [rows, columns] = [area(height, h), area(width, w)];
  const pixels = resample(weighted, width, rows, columns, 3);
  const rest = resample(alpha.data.map((x) => 1 - x), width, rows, columns);
  const total = rest.reduce((a, b) => a + b, 0);
  const sums = [0, 0, 0];
  pixels.forEach((x, i) => (sums[i % 3] += x));
  const weight = gaussianBlur(rest, w, sigma, "mirror");
  const blurred = gaussianBlur(pixels, w, sigma, "mirror", 3).map((x, i) => {
    const mean = sums[i % 3] / (total + EPSILON);
    return (x + EPSILON * mean) / (weight[Math.floor(i / 3)] + EPSILON);
  });
  if (!whole) return opaque(blurred, w, h);
  return opaque(resample(blurred, w, bilinear(h, height), bilinear(w, width), 3), width, height);
}

/**
 * @param {Float32Array} rgb
 * @param {number} width
 * @param {number} height
 */
function opaque(rgb, width, height) {
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    // Assigning clamps and rounds.
    for (let c = 0; c < 3; c++, j++) data[i + c] = rgb[j];
  }
  return { data, width, height };
}
