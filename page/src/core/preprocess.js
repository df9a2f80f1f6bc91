// From a photo to the network's input: p3m/inference/preprocess.py.

import { bilinear, resample } from "./resample.js";

/**
 * Show a photo on white, as the network sees it.
 * @param {import("./types.js").Photo} photo
 * @returns {import("./types.js").Photo}  the photo itself where it is opaque
 */
export function onWhite(photo) {
  if (opacity(photo) === null) return photo;
  const data = photo.data.slice();
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3] / 255;
    for (let c = 0; c < 3; c++) data[i + c] = Math.round(data[i + c] * alpha + 255 * (1 - alpha));
    data[i + 3] = 255;
  }
  return { ...photo, data };
}

/**
 * The alpha of a photo that has one, unless it is opaque everywhere.
 * @param {import("./types.js").Photo} photo
 * @returns {Float32Array | null}  in [0, 1]
 */
export function opacity({ data }) {
  let i = 3;
  while (i < data.length && data[i] === 255) i += 4;
  if (i >= data.length) return null;
  return Float32Array.from({ length: data.length / 4 }, (_, j) => data[4 * j + 3] / 255);
}

/**
 * Scale and normalise a photo.
 * @param {import("./types.js").Photo} photo  opaque
 * @param {{height: number, width: number}} size
 * @param {import("./types.js").About["image"]} statistics
 * @returns {Float32Array}  [3, height, width]
 */
export function networkInput(photo, { height, width }, { mean, std }) {
  const rows = bilinear(photo.height, height);
  const rgb = resample(photo.data, photo.width, rows, bilinear(photo.width, width), 3, 4);
  const pixels = height * width;
  const out = new Float32Array(3 * pixels);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < pixels; i++) out[c * pixels + i] = (rgb[3 * i + c] / 255 - mean[c]) / std[c];
  }
  return out;
}
