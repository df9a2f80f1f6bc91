// The stage: shows the photo and its result, with a divider, zoom, and the brushes.

import { CropBox } from "./crop_box.js";

/** @typedef {{kind: "none"} | {kind: "color", color: string} | {kind: "bitmap", bitmap: ImageBitmap | null, cover: boolean}} Backdrop */
/** @typedef {"move" | "keep" | "remove" | "decide"} Tool */
/** @typedef {import("./core/types.js").Box} Box */

/** Largest scale, in pixels of the screen for one of the photo. */
const CLOSEST = 16;
/** Bitmaps of more pixels get a small copy for views from afar. */
const LARGE = 3e6;
/** Space around the photo when it fits, in CSS pixels, and below it, where the tools are. */
const MARGIN = 24;
const BELOW = 72;
/** How near to an edge of the crop box a mouse and a finger take hold of it, in CSS pixels. */
const REACH = { mouse: 10, touch: 22 };
const TINTS = { keep: "rgb(38 166 91 / 55%)", remove: "rgb(224 62 62 / 55%)", decide: "rgb(52 120 246 / 55%)" };

/** A bitmap with a small copy of itself. */
class Picture {
  /** @type {ImageBitmap | null} */
  small = null;

  /**
   * @param {ImageBitmap} bitmap
   * @param {() => void} changed  called when the small copy is there
   */
  constructor(bitmap, changed) {
    this.bitmap = bitmap;
    const share = Math.sqrt(LARGE / 2 / (bitmap.width * bitmap.height));
    if (share > Math.SQRT1_2) return;
    const resizeWidth = Math.round(bitmap.width * share);
    createImageBitmap(bitmap, { resizeWidth, resizeQuality: "high" }).then(
      (small) => {
        this.small = small;
        changed();
      },
      () => {},
    );
  }

  /** Free the memory. */
  close() {
    this.bitmap.close();
    this.small?.close();
  }

  /**
   * The copy to draw at a width in pixels of the screen.
   * @param {number} width
   */
  at(width) {
    return this.small && width <= this.small.width ? this.small : this.bitmap;
  }
}

export class Stage {
  /** @type {Picture | null} */
  #photo = null;
  /** @type {Picture | null} */
  #person = null;
  /** The part that is shown: all, or a crop. @type {Box} */
  #part = { left: 0, top: 0, right: 1, bottom: 1 };
  #size = { width: 1, height: 1 };
  /** @type {Backdrop} */
  #backdrop = { kind: "none" };
  /** CSS pixels for one of the photo, and where the photo's corner lies. */
  #view = { scale: 1, x: 0, y: 0 };
  #fits = true;
  /** Where the divider lies, as a share of the shown part; 0 shows the result alone. */
  #divider = 0;
  /** Strokes that are not in the result yet. @type {import("./core/guide.js").Stroke[]} */
  #pending = [];
  /** @type {{x: number, y: number} | null} */
  #cursor = null;
  /** @type {Map<number, {x: number, y: number}>} */
  #pointers = new Map();
  /** @type {"pan" | "draw" | "divide" | "crop" | null} */
  #gesture = null;
  #asked = false;
  #spaceHeld = false;

  /** @type {Tool} */
  tool = "move";
  /** Diameter of the brush in CSS pixels. */
  brush = 32;

  /**
   * @param {HTMLElement} frame  holds the canvas and the divider's handle
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} handle
   * @param {HTMLElement} cropBox
   * @param {{stroke: (stroke: import("./core/guide.js").Stroke) => void, zoom: (percent: number) => void,
   *   divider: (share: number) => void, crop: (box: Box) => void}} told
   */
  constructor(frame, canvas, handle, cropBox, told) {
    this.frame = frame;
    this.canvas = canvas;
    this.handle = handle;
    this.told = told;
    this.crop = new CropBox(cropBox, (box) => {
      told.crop(box);
      this.redraw();
    });
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    this.context = context;
    new ResizeObserver(() => (this.#fits ? this.fit() : this.redraw())).observe(frame);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.#listen();
  }

  /**
   * Show another photo, or none.
   * @param {ImageBitmap | null} bitmap
   * @param {number} width  of the photo, which may be larger than the bitmap
   * @param {number} height
   */
  setPhoto(bitmap, width, height) {
    for (const picture of [this.#photo, this.#person]) picture?.close();
    this.#photo = bitmap && new Picture(bitmap, () => this.redraw());
    this.#person = null;
    this.#pending = [];
    // Where nobody was found, the divider hid the result.
    if (this.#divider === 1) this.setDivider(0);
    this.#size = { width, height };
    this.#part = { left: 0, top: 0, right: width, bottom: height };
    this.crop.show(null, this.#size);
    this.fit();
  }

  /**
   * Show a result.
   * @param {ImageBitmap} bitmap
   */
  setResult(bitmap) {
    const first = !this.#person;
    this.#person?.close();
    this.#person = new Picture(bitmap, () => this.redraw());
    this.#pending = [];
    this.redraw();
    if (first && !this.#divider) this.#reveal();
  }

  /**
   * Show a part of the photo.
   * @param {Box | null} part  null shows all
   */
  setPart(part) {
    const { width, height } = this.#size;
    const next = part ?? { left: 0, top: 0, right: width, bottom: height };
    if (JSON.stringify(next) === JSON.stringify(this.#part)) return;
    this.#part = next;
    this.fit();
  }

  /**
   * Show the box of a free crop.
   * @param {Box | null} box
   */
  setCropBox(box) {
    this.crop.show(box, this.#size);
    this.redraw();
  }

  /** @param {Backdrop} backdrop */
  setBackdrop(backdrop) {
    this.#backdrop = backdrop;
    this.redraw();
  }

  /** @param {number} share  in [0, 1] */
  setDivider(share) {
    this.#divider = Math.min(Math.max(share, 0), 1);
    this.told.divider(this.#divider);
    this.redraw();
  }

  get divider() {
    return this.#divider;
  }

  /** Forget the strokes that are shown but not in the result. */
  dropPending() {
    this.#pending = [];
    this.redraw();
  }

  fit() {
    const { clientWidth, clientHeight } = this.frame;
    const { left, top, right, bottom } = this.#part;
    const [width, height] = [right - left, bottom - top];
    const margin = Math.min(MARGIN, clientWidth / 24);
    const free = { width: clientWidth - 2 * margin, height: clientHeight - margin - BELOW };
    const scale = Math.min(free.width / width, free.height / height, this.#actualScale * 2);
    this.#view = {
      scale,
      x: (clientWidth - width * scale) / 2 - left * scale,
      y: margin + (free.height - height * scale) / 2 - top * scale,
    };
    this.#fits = true;
    this.#viewed();
  }

  /** Show one pixel of the photo as one of the screen. */
  actual() {
    this.#zoomTo(this.#actualScale, this.#middle);
  }

  /**
   * @param {number} factor
   * @param {{x: number, y: number}} [at]  the place that stays, in CSS pixels
   */
  zoomBy(factor, at = this.#middle) {
    this.#zoomTo(this.#view.scale * factor, at);
  }

  /**
   * @param {number} x  in CSS pixels
   * @param {number} y
   */
  panBy(x, y) {
    this.#view.x += x;
    this.#view.y += y;
    this.#fits = false;
    this.#viewed();
  }

  redraw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  get #actualScale() {
    return 1 / devicePixelRatio;
  }

  get #middle() {
    return { x: this.frame.clientWidth / 2, y: this.frame.clientHeight / 2 };
  }

  /**
   * @param {number} wanted
   * @param {{x: number, y: number}} at
   */
  #zoomTo(wanted, at) {
    const { scale, x, y } = this.#view;
    const longest = Math.max(this.#size.width, this.#size.height);
    const next = Math.min(Math.max(wanted, Math.min(64 / longest, scale)), CLOSEST * this.#actualScale);
    this.#view = { scale: next, x: at.x - ((at.x - x) * next) / scale, y: at.y - ((at.y - y) * next) / scale };
    this.#fits = false;
    this.#viewed();
  }

  /** Keep some of the photo in sight, and tell of the new view. */
  #viewed() {
    const { left, top, right, bottom } = this.#part;
    const { scale } = this.#view;
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    const [across, down] = [Math.min(80, width / 4), Math.min(80, height / 4)];
    this.#view.x = Math.min(Math.max(this.#view.x, across - right * scale), width - across - left * scale);
    this.#view.y = Math.min(Math.max(this.#view.y, down - bottom * scale), height - down - top * scale);
    this.told.zoom(Math.round((scale / this.#actualScale) * 100));
    this.redraw();
  }

  /** Sweep the divider from the right to the left, so that the result appears. */
  #reveal() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const start = performance.now();
    const step = () => {
      const t = Math.min((performance.now() - start) / 600, 1);
      this.setDivider((1 - t) ** 3);
      if (t < 1 && this.#gesture !== "divide") requestAnimationFrame(step);
    };
    this.setDivider(1);
    requestAnimationFrame(step);
  }

  #draw() {
    const { context, canvas, frame } = this;
    const [width, height] = [frame.clientWidth, frame.clientHeight];
    const ratio = devicePixelRatio;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    // Where the divider rests, an edge of the crop box may lie.
    this.handle.hidden = !this.#photo || !this.#person || Boolean(this.crop.box && !this.#divider);
    if (!this.#photo) return;
    const { scale, x, y } = this.#view;
    const { left, top, right, bottom } = this.#part;
    const place = { x: x + left * scale, y: y + top * scale, width: (right - left) * scale, height: (bottom - top) * scale };
    const across = this.#size.width * scale;
    const down = this.#size.height * scale;
    context.imageSmoothingEnabled = scale * ratio < 3;
    context.imageSmoothingQuality = "high";
    const paint = (/** @type {Picture} */ picture) => context.drawImage(picture.at(across * ratio), x, y, across, down);
    context.save();
    context.beginPath();
    context.rect(place.x, place.y, place.width, place.height);
    context.clip();
    if (this.#person) {
      this.#drawBackdrop(place, { x, y, width: across, height: down });
      paint(this.#person);
      if (this.#divider) {
        context.beginPath();
        context.rect(place.x, place.y, place.width * this.#divider, place.height);
        context.clip();
        paint(this.#photo);
      }
    } else paint(this.#photo);
    context.restore();
    if (this.crop.box) this.#drawCropBox(place, this.crop.box);
    if (this.#person && !this.handle.hidden) this.#drawDivider(place);
    for (const stroke of this.#pending) this.#drawStroke(stroke);
    this.#drawCursor();
  }

  /**
   * @param {{x: number, y: number, width: number, height: number}} place  of the shown part
   * @param {{x: number, y: number, width: number, height: number}} whole  of the photo
   */
  #drawBackdrop(place, whole) {
    const { context } = this;
    const backdrop = this.#backdrop;
    if (backdrop.kind === "color") {
      context.fillStyle = backdrop.color;
      context.fillRect(place.x, place.y, place.width, place.height);
    } else if (backdrop.kind === "bitmap" && backdrop.bitmap) {
      const { bitmap, cover } = backdrop;
      const scale = Math.max(whole.width / bitmap.width, whole.height / bitmap.height);
      const [w, h] = cover ? [bitmap.width * scale, bitmap.height * scale] : [whole.width, whole.height];
      context.drawImage(bitmap, whole.x + (whole.width - w) / 2, whole.y + (whole.height - h) / 2, w, h);
    } else {
      context.fillStyle = this.#squares();
      context.fillRect(place.x, place.y, place.width, place.height);
    }
  }

  #squares() {
    const style = getComputedStyle(this.frame);
    const tile = new OffscreenCanvas(20, 20);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (tile.getContext("2d"));
    context.fillStyle = style.getPropertyValue("--square-light");
    context.fillRect(0, 0, 20, 20);
    context.fillStyle = style.getPropertyValue("--square-dark");
    context.fillRect(0, 0, 10, 10);
    context.fillRect(10, 10, 10, 10);
    return /** @type {CanvasPattern} */ (this.context.createPattern(tile, "repeat"));
  }

  /**
   * Darken what a free crop leaves out.
   * @param {{x: number, y: number, width: number, height: number}} place  of the photo
   * @param {Box} box
   */
  #drawCropBox(place, box) {
    const { context } = this;
    const { scale, x, y } = this.#view;
    context.fillStyle = "rgb(12 15 20 / 62%)";
    context.beginPath();
    context.rect(place.x, place.y, place.width, place.height);
    context.rect(x + box.left * scale, y + box.top * scale, (box.right - box.left) * scale, (box.bottom - box.top) * scale);
    context.fill("evenodd");
    this.crop.place(this.#view);
  }

  /** @param {{x: number, y: number, width: number, height: number}} place */
  #drawDivider(place) {
    const { context, frame, handle } = this;
    const at = place.x + place.width * this.#divider;
    const top = Math.max(place.y, 0);
    const bottom = Math.min(place.y + place.height, frame.clientHeight);
    context.fillStyle = "rgb(255 255 255 / 95%)";
    context.shadowColor = "rgb(0 0 0 / 45%)";
    context.shadowBlur = 4;
    context.fillRect(at - 1, top, 2, bottom - top);
    context.shadowBlur = 0;
    handle.style.left = `${at}px`;
    handle.style.top = `${(top + bottom) / 2}px`;
  }

  /** @param {import("./core/guide.js").Stroke} stroke */
  #drawStroke({ kind, radius, points }) {
    const { context } = this;
    const { scale, x, y } = this.#view;
    context.strokeStyle = [TINTS.keep, TINTS.remove, TINTS.decide][kind - 1];
    context.lineWidth = 2 * radius * scale;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    points.forEach(([px, py], i) => {
      // The smallest line, so that a single dot shows, too.
      if (!i) context.moveTo(px * scale + x, py * scale + y + 0.01);
      context.lineTo(px * scale + x, py * scale + y);
    });
    context.stroke();
  }

  #drawCursor() {
    const { context } = this;
    if (!this.#cursor || this.tool === "move" || this.#spaceHeld) return;
    const { x, y } = this.#cursor;
    for (const [color, width] of /** @type {[string, number][]} */ ([["rgb(0 0 0 / 60%)", 3], ["white", 1.5]])) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, this.brush / 2, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #listen() {
    const { canvas, handle, frame } = this;
    const place = (/** @type {MouseEvent} */ event) => {
      const { left, top } = canvas.getBoundingClientRect();
      return { x: event.clientX - left, y: event.clientY - top };
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.#photo || event.button > 1) return;
      canvas.setPointerCapture(event.pointerId);
      this.#pointers.set(event.pointerId, place(event));
      const draws = this.tool !== "move" && this.#person && !this.#spaceHeld && event.button === 0;
      const crops = this.tool === "move" && !this.#spaceHeld && event.button === 0;
      if (this.#pointers.size === 1 && draws) this.#begin(place(event));
      else if (this.#pointers.size === 1 && crops && this.crop.begin(this.#inPhoto(place(event)), this.#reach(event))) {
        this.#gesture = "crop";
      } else {
        // A second finger turns a stroke that has just begun into zooming.
        if (this.#gesture === "draw") this.#pending.pop();
        this.#gesture = "pan";
      }
      frame.dataset.gesture = this.#gesture ?? "";
      this.redraw();
    });
    canvas.addEventListener("pointermove", (event) => {
      this.#cursor = event.pointerType === "touch" ? null : place(event);
      const before = this.#pointers.get(event.pointerId);
      if (!before) {
        const hovers = this.tool === "move" && !this.#spaceHeld;
        canvas.style.cursor = hovers ? this.crop.cursorAt(this.#inPhoto(place(event)), this.#reach(event)) : "";
        return this.redraw();
      }
      if (this.#gesture === "draw") {
        for (const part of event.getCoalescedEvents?.() ?? [event]) this.#extend(place(part));
        this.redraw();
      } else if (this.#gesture === "crop") this.crop.drag(this.#inPhoto(place(event)));
      else this.#move(event.pointerId, place(event));
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (!this.#pointers.delete(event.pointerId)) return;
      const stroke = this.#pending[this.#pending.length - 1];
      if (this.#gesture === "draw" && stroke) {
        if (event.type === "pointercancel") this.#pending.pop();
        else this.told.stroke(stroke);
      }
      if (!this.#pointers.size) this.#gesture = null;
      frame.dataset.gesture = this.#gesture ?? "";
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => {
      this.#cursor = null;
      this.redraw();
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!this.#photo) return;
        event.preventDefault();
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
        this.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), place(event));
      },
      { passive: false },
    );
    canvas.addEventListener("dblclick", (event) => {
      if (this.tool !== "move") return;
      if (this.#fits) this.#zoomTo(this.#actualScale, place(event));
      else this.fit();
    });
    canvas.addEventListener("keydown", (event) => {
      const step = 48;
      const by = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
      if (by) this.panBy(by[0], by[1]);
      else if (event.key === " ") this.#spaceHeld = true;
      else return;
      event.preventDefault();
    });
    canvas.addEventListener("keyup", () => (this.#spaceHeld = false));
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      this.#gesture = "divide";
    });
    handle.addEventListener("pointermove", (event) => {
      if (this.#gesture === "divide") this.setDivider(this.#shareAt(place(event).x));
    });
    handle.addEventListener("pointerup", () => (this.#gesture = null));
    handle.addEventListener("pointercancel", () => (this.#gesture = null));
    handle.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: this.#divider - 0.05, ArrowRight: this.#divider + 0.05, Home: 0, End: 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.setDivider(to);
    });
  }

  /** @param {number} x  in CSS pixels */
  #shareAt(x) {
    const { left, right } = this.#part;
    return (x - this.#view.x - left * this.#view.scale) / ((right - left) * this.#view.scale);
  }

  /** @param {{x: number, y: number}} at */
  #begin(at) {
    this.#gesture = "draw";
    const kind = /** @type {1 | 2 | 3} */ (["keep", "remove", "decide"].indexOf(this.tool) + 1);
    this.#pending.push({ kind, radius: this.brush / 2 / this.#view.scale, points: [] });
    this.#extend(at);
  }

  /** @param {{x: number, y: number}} at */
  #extend(at) {
    const { x, y } = this.#inPhoto(at);
    this.#pending[this.#pending.length - 1]?.points.push([x, y]);
  }

  /**
   * A place of the frame, in pixels of the photo.
   * @param {{x: number, y: number}} at  in CSS pixels
   */
  #inPhoto(at) {
    const { scale, x, y } = this.#view;
    return { x: (at.x - x) / scale, y: (at.y - y) / scale };
  }

  /**
   * How near to an edge a pointer takes hold of it, in pixels of the photo.
   * @param {PointerEvent} event
   */
  #reach({ pointerType }) {
    return (pointerType === "touch" ? REACH.touch : REACH.mouse) / this.#view.scale;
  }

  /**
   * Pan by one finger, or zoom by two.
   * @param {number} id
   * @param {{x: number, y: number}} to
   */
  #move(id, to) {
    const from = /** @type {{x: number, y: number}} */ (this.#pointers.get(id));
    const other = [...this.#pointers].find(([key]) => key !== id)?.[1];
    this.#pointers.set(id, to);
    if (!other) return this.panBy(to.x - from.x, to.y - from.y);
    const distance = (/** @type {{x: number, y: number}} */ p) => Math.hypot(p.x - other.x, p.y - other.y) || 1;
    this.panBy((to.x - from.x) / 2, (to.y - from.y) / 2);
    this.zoomBy(distance(to) / distance(from), { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 });
  }
}
