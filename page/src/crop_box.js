// The free crop: a box over the photo, dragged by its edges, its corners or itself, or moved by the arrow keys.

import { TEXT } from "./text.js";

/** @typedef {import("./core/types.js").Box} Box */
/** @typedef {"left" | "top" | "right" | "bottom"} Side */

/** @type {Side[]} */
const SIDES = ["left", "top", "right", "bottom"];
/** Shortest side of a box, in pixels of the photo. */
const SMALLEST = 16;
/** How far an arrow key moves, as a share of the photo's longer side; with Shift it is one pixel. */
const STEP = 0.01;

/**
 * Tell which sides a pointer takes hold of.
 * @param {Box} box
 * @param {{x: number, y: number}} at  in pixels of the photo
 * @param {number} slack  how far from a side, in the same pixels
 * @returns {Side[]}  none outside; all four within, where the whole box moves
 */
export function sidesAt(box, { x, y }, slack) {
  const { left, top, right, bottom } = box;
  if (x < left - slack || x > right + slack || y < top - slack || y > bottom + slack) return [];
  // A third of a small box stays to move it by.
  const [across, down] = [Math.min(slack, (right - left) / 3), Math.min(slack, (bottom - top) / 3)];
  /** @type {Side[]} */
  const sides = [];
  if (x < left + across) sides.push("left");
  else if (x > right - across) sides.push("right");
  if (y < top + down) sides.push("top");
  else if (y > bottom - down) sides.push("bottom");
  return sides.length ? sides : [...SIDES];
}

/**
 * Move some sides of a box, no further than the photo and the opposite side allow.
 * @param {Box} box
 * @param {Side[]} sides  all four move the box as it is
 * @param {{x: number, y: number}} by  in pixels of the photo
 * @param {{width: number, height: number}} size  of the photo
 * @returns {Box}  of whole numbers
 */
export function withMoved(box, sides, by, { width, height }) {
  const within = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
    Math.round(Math.min(Math.max(value, low), high));
  if (sides.length === SIDES.length) {
    const left = within(box.left + by.x, 0, width - (box.right - box.left));
    const top = within(box.top + by.y, 0, height - (box.bottom - box.top));
    return { left, top, right: left + box.right - box.left, bottom: top + box.bottom - box.top };
  }
  const [across, down] = [Math.min(SMALLEST, width), Math.min(SMALLEST, height)];
  const next = { ...box };
  if (sides.includes("left")) next.left = within(box.left + by.x, 0, box.right - across);
  if (sides.includes("right")) next.right = within(box.right + by.x, box.left + across, width);
  if (sides.includes("top")) next.top = within(box.top + by.y, 0, box.bottom - down);
  if (sides.includes("bottom")) next.bottom = within(box.bottom + by.y, box.top + down, height);
  return next;
}

export class CropBox {
  /** @type {Box | null} */
  box = null;
  #size = { width: 1, height: 1 };
  /** The box and the place where a drag began, and the sides that it moves. */
  #drag = { box: /** @type {Box | null} */ (null), at: { x: 0, y: 0 }, sides: /** @type {Side[]} */ ([]) };

  /**
   * @param {HTMLElement} element  lies over the stage; it has the focus for moving the box, and one slider for each side
   * @param {(box: Box) => void} changed  told of each box that the user makes
   */
  constructor(element, changed) {
    this.element = element;
    this.changed = changed;
    element.addEventListener("keydown", (event) => this.#press(event));
  }

  /**
   * @param {Box | null} box  null hides it
   * @param {{width: number, height: number}} size  of the photo
   */
  show(box, size) {
    this.box = box;
    this.#size = size;
    this.element.hidden = !box;
    if (!box) return;
    for (const side of SIDES) {
      const slider = this.#slider(side);
      const [low, high] = side === "left" || side === "right" ? [0, size.width] : [0, size.height];
      const values = { min: low, max: high, now: box[side], text: TEXT.pixels(box[side]) };
      for (const [name, value] of Object.entries(values)) slider.setAttribute(`aria-value${name}`, String(value));
    }
  }

  /**
   * Lie over the stage where the photo is.
   * @param {{scale: number, x: number, y: number}} view  CSS pixels for one of the photo, and where the photo's corner lies
   */
  place({ scale, x, y }) {
    if (!this.box) return;
    const { left, top, right, bottom } = this.box;
    const { style } = this.element;
    style.left = `${x + left * scale}px`;
    style.top = `${y + top * scale}px`;
    style.width = `${(right - left) * scale}px`;
    style.height = `${(bottom - top) * scale}px`;
  }

  /**
   * Begin to drag.
   * @param {{x: number, y: number}} at  in pixels of the photo, like all of these
   * @param {number} slack
   * @returns {boolean}  whether there is something to drag
   */
  begin(at, slack) {
    const sides = this.box ? sidesAt(this.box, at, slack) : [];
    this.#drag = { box: this.box, at, sides };
    return sides.length > 0;
  }

  /** @param {{x: number, y: number}} to */
  drag(to) {
    const { box, at, sides } = this.#drag;
    if (box) this.#change(withMoved(box, sides, { x: to.x - at.x, y: to.y - at.y }, this.#size));
  }

  /**
   * The cursor for a place.
   * @param {{x: number, y: number}} at
   * @param {number} slack
   */
  cursorAt(at, slack) {
    const sides = this.box ? sidesAt(this.box, at, slack) : [];
    if (!sides.length) return "";
    if (sides.length === SIDES.length) return "move";
    if (sides.length === 1) return sides[0] === "left" || sides[0] === "right" ? "ew-resize" : "ns-resize";
    return sides.includes("left") === sides.includes("top") ? "nwse-resize" : "nesw-resize";
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (!this.box) return;
    const { width, height } = this.#size;
    const side = /** @type {HTMLElement} */ (event.target).dataset.side;
    const sides = side ? [/** @type {Side} */ (side)] : SIDES;
    const step = event.shiftKey ? 1 : Math.max(Math.round(STEP * Math.max(width, height)), 1);
    const far = width + height;
    const [x, y] = /** @type {Record<string, [number, number]>} */ ({
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
      Home: [-far, -far],
      End: [far, far],
    })[event.key] ?? [0, 0];
    if (!x && !y) return;
    event.preventDefault();
    this.#change(withMoved(this.box, sides, { x, y }, this.#size));
  }

  /** @param {Box} box */
  #change(box) {
    this.show(box, this.#size);
    this.changed(box);
  }

  /** @param {Side} side */
  #slider(side) {
    return /** @type {HTMLElement} */ (this.element.querySelector(`[data-side=${side}]`));
  }
}
