// Very long photos, piece by piece: p3m/inference/long_photos.py.

import { Hybrid } from "./procedures.js";

/** Largest aspect, long side / short side, of a photo that goes through the network as a whole. */
const LONGEST = 3;
/** Length of a piece, in short sides. Neighbouring pieces overlap by half. */
const PIECE = 2;
/** Largest number of pieces; a photo that would need more has longer pieces. */
const MOST = 32;

/** The matte of a photo of any aspect; its interface is that of Hybrid. */
export class Matte {
  /**
   * @param {import("./types.js").Photo} photo  opaque
   * @param {import("./procedures.js").Passes} passes
   * @param {import("./types.js").About} about
   */
  constructor(photo, passes, about) {
    const { width, height } = photo;
    const whole = { left: 0, top: 0, right: width, bottom: height };
    this.size = { width, height };
    this.long = Math.max(width, height);
    const short = Math.min(width, height);
    this.boxes = this.long <= LONGEST * short ? [whole] : pieces(this.long, short).map(([start, end]) =>
      width > height ? { ...whole, left: start, right: end } : { ...whole, top: start, bottom: end },
    );
    this.parts = this.boxes.map((box) => new Hybrid(piece(photo, box, 4), passes, about));
  }

  /** Forget the maps, as Hybrid.forget does. */
  forget() {
    for (const part of this.parts) part.forget();
  }

  /**
   * Estimate the matte; Hybrid.matte explains the arguments.
   * @param {import("./types.js").Marks | null} [strokes]
   * @param {(share: number) => void} [progress]
   * @returns {Promise<import("./types.js").Plane>}
   */
  async matte(strokes = null, progress = () => {}) {
    if (this.parts.length === 1) return this.parts[0].matte(strokes, progress);
    const { width, height } = this.size;
    const lying = width > height;
    const data = new Float32Array(width * height);
    const totals = new Float32Array(this.long);
    for (const [i, part] of this.parts.entries()) {
      const box = this.boxes[i];
      const within = strokes && piece(strokes, box, 1);
      const alpha = await part.matte(within, (share) => progress((i + share) / this.parts.length));
      part.forget();
      const [start, end] = lying ? [box.left, box.right] : [box.top, box.bottom];
      const weights = tent(start, end, this.long);
      weights.forEach((weight, at) => (totals[start + at] += weight));
      for (let y = 0, from = 0; y < alpha.height; y++) {
        for (let x = 0; x < alpha.width; x++, from++) {
          data[(box.top + y) * width + box.left + x] += alpha.data[from] * weights[lying ? x : y];
        }
      }
    }
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) data[i] = Math.min(data[i] / totals[lying ? x : y], 1);
    }
    return { data, width, height };
  }
}

/**
 * Cut a length into overlapping pieces of equal length; their starts and ends.
 * @param {number} long
 * @param {number} short
 * @returns {[number, number][]}
 */
export function pieces(long, short) {
  const length = Math.max(PIECE * short, Math.ceil((2 * long) / (MOST + 1)));
  const count = Math.max(Math.ceil((2 * (long - length)) / length) + 1, 2);
  return Array.from({ length: count }, (_, i) => {
    const start = Math.floor(((long - length) * i) / (count - 1));
    return [start, start + length];
  });
}

/**
 * A tent of weights over a piece; it is flat at an end of the photo.
 * @param {number} start
 * @param {number} end
 * @param {number} long
 */
function tent(start, end, long) {
  const length = end - start;
  return Float32Array.from({ length }, (_, i) =>
    Math.min(start === 0 ? length : i + 1, end === long ? length : length - i),
  );
}

/**
 * Cut a box out of a picture; the picture itself where the box holds all of it.
 * @template {{data: Uint8Array | Uint8ClampedArray, width: number, height: number}} Picture
 * @param {Picture} picture
 * @param {import("./types.js").Box} box
 * @param {number} channels
 * @returns {Picture}
 */
export function piece(picture, { left, top, right, bottom }, channels) {
  const [width, height] = [right - left, bottom - top];
  if (width === picture.width && height === picture.height) return picture;
  const data = new /** @type {any} */ (picture.data.constructor)(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * channels;
    data.set(picture.data.subarray(from, from + width * channels), y * width * channels);
  }
  return { ...picture, data, width, height };
}
