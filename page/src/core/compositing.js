// Composites: p3m/imaging/compositing.py.

/**
 * Put the person onto a colour or a picture.
 * @param {import("./types.js").Photo} foreground  the person's colours
 * @param {import("./types.js").Plane} alpha
 * @param {number[] | import("./types.js").Photo} background  red, green and blue, or an opaque picture of the same size
 * @returns {import("./types.js").Photo}  opaque
 */
export function composite(foreground, alpha, background) {
  const data = new Uint8ClampedArray(foreground.data.length).fill(255);
  const color = Array.isArray(background) ? background : null;
  const picture = Array.isArray(background) ? null : background.data;
  for (let i = 0, j = 0; j < data.length; i++, j += 4) {
    for (let c = 0; c < 3; c++) {
      const behind = color ? color[c] : /** @type {Uint8ClampedArray} */ (picture)[j + c];
      data[j + c] = Math.trunc((foreground.data[j + c] - behind) * alpha.data[i] + behind + 0.5);
    }
  }
  return { ...foreground, data };
}
