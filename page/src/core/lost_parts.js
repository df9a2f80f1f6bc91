// Parts of the person that the local alpha loses, from a coarser local pass: p3m/inference/lost_parts.py.

import { BACKGROUND, FOREGROUND, UNKNOWN } from "./classes.js";
import { connectedAreas, dilate, ELLIPSE_7, erode, SQUARE_3, SQUARE_7 } from "./morphology.js";
import { resize } from "./resample.js";

/** The share of the foreground's border from which on a photo has lost parts. */
const SUSPICIOUS = 0.08;
/** How much of its outline a part shares with the foreground, at least. */
const ATTACHED = 0.25;

/**
 * Tell whether the local alpha calls much of what adjoins the foreground background.
 * @param {import("./types.js").Marks} classes
 * @param {import("./types.js").Plane} local
 */
export function losesParts(classes, local) {
  const { data, width, height } = classes;
  const near = dilate(data.map(isForeground), width, SQUARE_3);
  const seen = resize(local, height, width).data;
  let [border, lost] = [0, 0];
  data.forEach((kind, i) => {
    if (kind !== UNKNOWN || !near[i]) return;
    border++;
    if (seen[i] < 0.5) lost++;
  });
  return lost > SUSPICIOUS * border;
}

/**
 * Replace the local alpha by a coarser one in lost parts.
 * @param {import("./types.js").Marks} classes
 * @param {import("./types.js").Plane} local
 * @param {import("./types.js").Plane} coarse  of a local pass at the size of the global pass
 * @returns {import("./types.js").Plane}  local itself where nothing is lost
 */
export function takeBack(classes, local, coarse) {
  const { data, width, height } = classes;
  const [fine, seen] = [resize(local, height, width).data, resize(coarse, height, width).data];
  const lost = data.map((kind, i) => (kind === UNKNOWN && fine[i] < 0.5 && seen[i] > 0.5 ? 1 : 0));
  const thick = dilate(erode(lost, width, ELLIPSE_7), width, ELLIPSE_7);
  const { labels, sizes } = connectedAreas(thick, width);
  const chosen = new Uint8Array(data.length);
  for (let part = 1; part < sizes.length; part++) {
    const marks = thick.map((_, i) => (labels[i] === part ? 1 : 0));
    let [outline, shared] = [0, 0];
    dilate(marks, width, SQUARE_3).forEach((mark, i) => {
      if (!mark || marks[i]) return;
      outline++;
      shared += isForeground(data[i]);
    });
    if (shared >= ATTACHED * outline) marks.forEach((mark, i) => (chosen[i] |= mark));
  }
  if (!chosen.includes(1)) return local;
  const unknown = dilate(chosen, width, SQUARE_7).map((mark, i) => (mark && data[i] === UNKNOWN ? 1 : 0));
  // One pixel more, into the foreground: else enlarging leaves a dark seam where the part meets it.
  const whole = dilate(unknown, width, SQUARE_3);
  const taken = { data: Float32Array.from(whole, (mark, i) => (mark && data[i] !== BACKGROUND ? 1 : 0)), width, height };
  const [weight, alpha] = [taken, coarse].map((plane) => resize(plane, local.height, local.width).data);
  return { ...local, data: local.data.map((x, i) => Math.max(x, weight[i] * alpha[i])) };
}

/** @param {number} kind */
function isForeground(kind) {
  return kind === FOREGROUND ? 1 : 0;
}
