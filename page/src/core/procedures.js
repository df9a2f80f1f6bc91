// HYBRID, the procedure of the published code: p3m/inference/procedures.py.

import { BACKGROUND, FOREGROUND, UNKNOWN } from "./classes.js";
import { classify, enlargeClasses, fusePasses, shrinkArea, undecided } from "./fusion.js";
import { DECIDE, KEEP, only, paint, REMOVE } from "./guide.js";
import { losesParts, takeBack } from "./lost_parts.js";
import { passSize } from "./pass_sizes.js";
import { networkInput } from "./preprocess.js";
import { doubtful, reconsider, withoutIslands } from "./second_look.js";
import { cut, windowsAround } from "./windows.js";

/**
 * A map of the network: [channels, height / by, width / by].
 * @typedef {{data: Float32Array, channels: number, by: number}} FeatureMap
 *
 * The passes through the network, which the rules call.
 * @typedef {{
 *   segment: (x: Float32Array, height: number, width: number) => Promise<Float32Array>,
 *   coarse: (x: Float32Array, height: number, width: number) => Promise<FeatureMap[]>,
 *   tail: (maps: FeatureMap[], height: number, width: number) => Promise<Float32Array>}} Passes
 */

/** Which share of the work each part of a run takes, about. */
const GLOBAL_SHARE = 0.08;
const COARSE_SHARE = 0.5;

/** What a stroke makes of the classes under it. */
const MEANING = { [KEEP]: FOREGROUND, [REMOVE]: BACKGROUND, [DECIDE]: UNKNOWN };

/** One photo's matte. The maps stay, so that a second call with other marks computes only what is new. */
export class Hybrid {
  /** The maps from which the local alpha is computed. @type {FeatureMap[] | null} */
  #maps = null;
  /** @type {import("./types.js").Marks | null} */
  #classes = null;
  /** The local alpha at the size of the global pass. @type {Float32Array | null} */
  #coarse = null;
  /** @type {Uint8Array} */
  #doubt = new Uint8Array();
  /** @type {import("./types.js").Plane} */
  #local;
  /** Where the local alpha has been computed, laid over the classes. @type {Uint8Array} */
  #known = new Uint8Array();

  /**
   * @param {import("./types.js").Photo} photo  opaque
   * @param {Passes} passes
   * @param {import("./types.js").About} about
   */
  constructor(photo, passes, about) {
    this.photo = photo;
    this.passes = passes;
    this.about = about;
    const size = passSize(photo.height, photo.width, about.procedure, true);
    this.#local = { data: new Float32Array(size.height * size.width), ...size };
  }

  /**
   * Estimate the matte.
   * @param {import("./types.js").Marks | null} [strokes]  corrections of the photo's size, or null
   * @param {(share: number) => void} [progress]  told which share of the work is done
   * @returns {Promise<import("./types.js").Plane>}  of the photo's size
   */
  async matte(strokes = null, progress = () => {}) {
    const { height, width } = this.photo;
    const found = (this.#classes ??= await this.#segment());
    progress(GLOBAL_SHARE);
    const [first] = found.data;
    if (!strokes && first !== UNKNOWN && found.data.every((kind) => kind === first)) {
      return { data: new Float32Array(height * width).fill(first === FOREGROUND ? 1 : 0), width, height };
    }
    const wanted = this.#wanted(found, only(strokes, DECIDE));
    await this.#computeLocal({ ...found, data: wanted.map((mark, i) => (mark && !this.#known[i] ? 1 : 0)) }, progress);
    wanted.forEach((mark, i) => (this.#known[i] ||= mark));
    let classes = reconsider(found, this.#doubt, this.#local, this.about.procedure.second_look);
    const local = await this.#whole(classes);
    if (!strokes) return fusePasses(classes, local, height, width);
    classes = enlargeClasses(classes, height, width);
    strokes.data.forEach((stroke, i) => {
      if (stroke) classes.data[i] = MEANING[stroke];
    });
    return paint(fusePasses(classes, local, height, width), strokes);
  }

  /**
   * Return the local alpha with the parts that it has lost.
   * @param {import("./types.js").Marks} classes
   */
  async #whole(classes) {
    const { procedure, image } = this.about;
    if (!procedure.second_look.some((limit) => limit > 0) || !losesParts(classes, this.#local)) return this.#local;
    const { height, width } = passSize(this.photo.height, this.photo.width, procedure, false);
    const input = networkInput(this.photo, { height, width }, image);
    this.#coarse ??= await this.passes.tail(await this.passes.coarse(input, height, width), height, width);
    return takeBack(classes, this.#local, { data: this.#coarse, height, width });
  }

  /**
   * Tell where the local alpha is needed.
   * @param {import("./types.js").Marks} classes
   * @param {import("./types.js").Marks | null} decide
   */
  #wanted(classes, decide) {
    const { height, width } = this.photo;
    if (this.#local.height > height || this.#local.width > width) return new Uint8Array(classes.data.length).fill(1);
    const open = classes.data.map((kind, i) => (this.#doubt[i] ? UNKNOWN : kind));
    const wanted = undecided({ ...classes, data: open });
    if (decide) shrinkArea(decide, classes).forEach((mark, i) => (wanted[i] |= mark));
    return wanted;
  }

  /** Forget the maps, which take most of the memory; they are computed again when they are needed. */
  forget() {
    this.#maps = null;
  }

  async #segment() {
    const { procedure, image } = this.about;
    const { height, width } = passSize(this.photo.height, this.photo.width, procedure, false);
    const logits = await this.passes.segment(networkInput(this.photo, { height, width }, image), height, width);
    const classes = classify(logits, height, width, procedure.unknown_above);
    this.#known = new Uint8Array(classes.data.length);
    if (!procedure.second_look.some((limit) => limit > 0)) {
      this.#doubt = new Uint8Array(classes.data.length);
      return classes;
    }
    const connected = withoutIslands(classes);
    this.#doubt = doubtful(logits, connected);
    return connected;
  }

  /**
   * @param {import("./types.js").Marks} wanted
   * @param {(share: number) => void} progress
   */
  async #computeLocal(wanted, progress) {
    if (!wanted.data.includes(1)) return;
    const { height, width } = this.#local;
    const fine = () => networkInput(this.photo, { height, width }, this.about.image);
    const maps = (this.#maps ??= await this.passes.coarse(fine(), height, width));
    progress(COARSE_SHARE);
    const { margin } = this.about.windows;
    const boxes = windowsAround(wanted, height, width, margin);
    for (const [i, box] of boxes.entries()) {
      const seen = {
        left: Math.max(box.left - margin, 0),
        top: Math.max(box.top - margin, 0),
        right: Math.min(box.right + margin, width),
        bottom: Math.min(box.bottom + margin, height),
      };
      const parts = maps.map(({ data, channels, by }) => {
        const part = { left: seen.left / by, top: seen.top / by, right: seen.right / by, bottom: seen.bottom / by };
        return { data: cut(data, channels, height / by, width / by, part), channels, by };
      });
      const across = seen.right - seen.left;
      const alpha = await this.passes.tail(parts, seen.bottom - seen.top, across);
      for (let y = box.top; y < box.bottom; y++) {
        const from = (y - seen.top) * across + box.left - seen.left;
        this.#local.data.set(alpha.subarray(from, from + box.right - box.left), y * width + box.left);
      }
      progress(COARSE_SHARE + ((1 - COARSE_SHARE) * (i + 1)) / boxes.length);
    }
  }
}
