// Who is in a matte, and where: p3m/imaging/subject.py.

import { SEEN } from "./adjust.js";
import { connectedAreas } from "./morphology.js";
import { area, resample } from "./resample.js";

/** A connected area smaller than this share of the picture does not count as a person. */
const NOBODY = 0.005;
/** Long side in pixels at which hasPerson looks at a matte. */
const GLANCE = 512;
/** Alpha from which on a pixel surely belongs to somebody. */
const SURE = 0.5;

/**
 * Tell whether anybody is in a matte: a connected opaque area of at least 0.5 % of the picture.
 * @param {import("./types.js").Plane} alpha
 */
export function hasPerson({ data, width, height }) {
  const scale = Math.min(GLANCE / Math.max(width, height), 1);
  const [w, h] = [width, height].map((side) => Math.max(Math.round(side * scale), 1));
  const small = resample(data, width, area(height, h), area(width, w));
  const { sizes } = connectedAreas(Uint8Array.from(small, (x) => (x >= SURE ? 1 : 0)), w);
  return sizes.slice(1).some((size) => size >= NOBODY * small.length);
}

/**
 * Find the part of a picture that holds the person.
 * @param {import("./types.js").Plane} alpha
 * @param {number} margin  space to leave around the person, in percent of the person's width and height
 * @returns {import("./types.js").Box | null}  null where the matte shows nobody
 */
export function personWindow({ data, width, height }, margin) {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (data[i] <= SEEN) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  if (right <= left) return null;
  const [across, down] = [right - left, bottom - top].map((side) => Math.round((side * margin) / 100));
  return {
    left: Math.max(left - across, 0),
    top: Math.max(top - down, 0),
    right: Math.min(right + across, width),
    bottom: Math.min(bottom + down, height),
  };
}
