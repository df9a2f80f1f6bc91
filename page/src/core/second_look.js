// Small mistakes of the global pass, which the local alpha corrects: p3m/inference/second_look.py.

import { BACKGROUND, FOREGROUND, UNKNOWN } from "./classes.js";
import { connectedAreas, dilate, ELLIPSE_7, erode, SQUARE_3 } from "./morphology.js";
import { area, resample } from "./resample.js";

/** From these probabilities on, background and foreground are beyond doubt. */
const CERTAIN = { [BACKGROUND]: 0.9, [FOREGROUND]: 0.8 };
/** Share of foreground in an area of unknown and foreground, above which the area is a person. */
const CORE = 0.05;

/**
 * Find the places where reconsider needs the local alpha: doubtful areas at least 7 pixels thick.
 * @param {Float32Array} logits  [3, height, width] of the global pass
 * @param {import("./types.js").Marks} classes
 * @returns {Uint8Array}  0 or 1
 */
export function doubtful(logits, { data, width }) {
  const pixels = data.length;
  const found = new Uint8Array(pixels);
  for (const known of /** @type {(0 | 2)[]} */ ([BACKGROUND, FOREGROUND])) {
    const doubt = new Uint8Array(pixels);
    for (let i = 0; i < pixels; i++) {
      if (data[i] !== known) continue;
      const own = logits[known * pixels + i];
      let total = 0;
      for (let c = 0; c < 3; c++) total += Math.exp(logits[c * pixels + i] - own);
      doubt[i] = 1 / total < CERTAIN[known] ? 1 : 0;
    }
    const thick = dilate(erode(doubt, width, ELLIPSE_7), width, ELLIPSE_7);
    for (let i = 0; i < pixels; i++) found[i] |= thick[i];
  }
  return found;
}

/**
 * Call areas of unknown and foreground background if at most 5 % of them is foreground; where every area is like that,
 * all stay.
 * @param {import("./types.js").Marks} classes
 * @returns {import("./types.js").Marks}
 */
export function withoutIslands(classes) {
  const { labels, sizes } = connectedAreas(classes.data.map((kind) => (kind === BACKGROUND ? 0 : 1)), classes.width);
  const foreground = new Uint32Array(sizes.length);
  classes.data.forEach((kind, i) => {
    if (kind === FOREGROUND) foreground[labels[i]]++;
  });
  const isPerson = foreground.map((count, area) => (count > CORE * sizes[area] ? 1 : 0));
  if (!isPerson.includes(1)) return classes;
  return { ...classes, data: classes.data.map((kind, i) => (isPerson[labels[i]] ? kind : BACKGROUND)) };
}

/**
 * Call small mistakes of the global pass unknown, so that the local alpha fills them.
 * @param {import("./types.js").Marks} classes
 * @param {Uint8Array} doubt  of doubtful
 * @param {import("./types.js").Plane} local  alpha of the local pass
 * @param {[number, number]} limits  shares of the person's area that a lost part and a closed gap may have
 * @returns {import("./types.js").Marks}
 */
export function reconsider(classes, doubt, local, [lostLimit, closedLimit]) {
  if (!doubt.includes(1)) return classes;
  const { data, width, height } = classes;
  const coarse = resample(local.data, local.width, area(local.height, height), area(local.width, width));
  let person = 0;
  for (const kind of data) person += kind / 2;
  const lost = smallParts(
    data.map((kind, i) => (kind === BACKGROUND && doubt[i] && coarse[i] > 0.5 ? 1 : 0)),
    data.map((kind) => (kind === BACKGROUND ? 0 : 1)),
    width,
    lostLimit * person,
  );
  const closed = smallParts(
    data.map((kind, i) => (kind === FOREGROUND && doubt[i] && coarse[i] < 0.5 ? 1 : 0)),
    data.map((kind) => (kind === FOREGROUND ? 0 : 1)),
    width,
    closedLimit * person,
  );
  return { ...classes, data: data.map((kind, i) => (lost[i] || closed[i] ? UNKNOWN : kind)) };
}

/**
 * The connected parts of an area that adjoin another one and have at most so many pixels.
 * @param {Uint8Array} part
 * @param {Uint8Array} beside
 * @param {number} width
 * @param {number} largest
 */
function smallParts(part, beside, width, largest) {
  const { labels, sizes } = connectedAreas(part, width);
  const adjoining = dilate(beside, width, SQUARE_3);
  const chosen = new Uint8Array(sizes.length);
  part.forEach((mark, i) => {
    if (mark && adjoining[i] && sizes[labels[i]] <= largest) chosen[labels[i]] = 1;
  });
  return part.map((_, i) => chosen[labels[i]]);
}
