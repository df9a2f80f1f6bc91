// The worker, in which everything runs that takes time.

import { adjust } from "./core/adjust.js";
import { replaceHiddenColors } from "./core/alpha_bleeding.js";
import { blurredBackground, cropToFill } from "./core/backgrounds.js";
import { composite } from "./core/compositing.js";
import { estimateForeground } from "./core/foreground.js";
import { DECIDE, drawCorrections, paint } from "./core/guide.js";
import { Matte, piece } from "./core/long_photos.js";
import { loadNetwork } from "./core/network.js";
import { onWhite, opacity } from "./core/preprocess.js";
import { ABOUT } from "./core/registry.js";
import { hasPerson, personWindow } from "./core/subject.js";
import { encodePng } from "./png.js";

/**
 * @typedef {import("./core/types.js").Photo} Photo
 * @typedef {import("./core/types.js").Plane} Plane
 *
 * What a matte is made with.
 * @typedef {{strokes: import("./core/guide.js").Stroke[], feather: number, shift: number, crop: number | null,
 *   server: string | null}} Settings  crop is the margin around the person in percent; server is the address of an API, or null
 *
 * @typedef {{kind: "color", color: number[]} | {kind: "picture", file: Blob} | {kind: "blur", blur: number}} Background
 *
 * A photo that is open.
 * @typedef {{file: Blob, photo: Photo, seen: Photo, own: Float32Array | null, matte: Matte,
 *   fromServer: Plane | null, estimated: {made: string, alpha: Plane} | null,
 *   person: Photo | null, alpha: Plane | null}} Open
 */

/** Pixels of the photos that stay open, so that switching back to one is quick. */
const KEPT = 40e6;
/** Pixels of a strip in which a photo is read; some browsers limit a canvas to 16.7 million. */
const STRIP = 4e6;

/** @type {Promise<Awaited<ReturnType<typeof loadNetwork>>> | null} */
let network = null;
/** The open photos, the last used one last. @type {Map<string, Open>} */
const photos = new Map();

const jobs = { load, open, render, blurred, encode, forget };

/** @typedef {typeof jobs} Jobs */

/** @type {Promise<unknown>} */
let queue = Promise.resolve();

self.onmessage = ({ data: { id, job, argument } }) => {
  queue = queue.then(async () => {
    try {
      const run = /** @type {(argument: unknown, progress: (share: number) => void) => unknown} */ (
        jobs[/** @type {keyof Jobs} */ (job)]
      );
      const result = await run(argument, (share) => self.postMessage({ id, share }));
      self.postMessage({ id, result });
    } catch (error) {
      self.postMessage({ id, trouble: troubleOf(error) });
    }
  });
};

/** An error that the page has words for. */
class Trouble extends Error {
  /** @param {"notPhoto" | "memory" | "network" | "server" | "picture"} kind */
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

/**
 * @param {unknown} error
 * @returns {{kind: string, words: string}}
 */
function troubleOf(error) {
  const words = error instanceof Error ? error.message : String(error);
  if (error instanceof Trouble) return { kind: error.kind, words };
  const memory = /alloc|out of memory|memory access|invalid (typed )?array (buffer )?length|OOM/i.test(words);
  return { kind: memory || error instanceof RangeError ? "memory" : "unknown", words };
}

/**
 * @param {{files: Record<string, ArrayBuffer>, threads: number}} argument
 */
async function load({ files, threads }) {
  network = loadNetwork(files, threads);
  await network;
}

/**
 * Read a photo.
 * @param {{key: string, file: Blob, megapixels: number | null, shown: number}} argument  megapixels makes the photo
 *   smaller; shown is the largest number of pixels of the bitmap
 * @returns {Promise<{width: number, height: number, bitmap: ImageBitmap}>}
 */
async function open({ key, file, megapixels, shown }) {
  const opened = photos.get(key) ?? (await read(file, megapixels));
  photos.delete(key);
  photos.set(key, opened);
  let pixels = 0;
  for (const [name, { photo }] of [...photos].reverse()) {
    pixels += photo.width * photo.height;
    if (name === key) continue;
    if (pixels > KEPT) photos.delete(name);
    else release(name);
  }
  const { data, width, height } = opened.photo;
  const picture = new ImageData(/** @type {Uint8ClampedArray<ArrayBuffer>} */ (data), width, height);
  return { width, height, bitmap: await toShow(picture, shown) };
}

/**
 * @param {Blob} file
 * @param {number | null} megapixels
 * @returns {Promise<Open>}
 */
async function read(file, megapixels) {
  let bitmap = await decode(file, "notPhoto");
  const scale = megapixels && Math.sqrt((megapixels * 1e6) / (bitmap.width * bitmap.height));
  if (scale && scale < 1) bitmap = await createImageBitmap(bitmap, smaller(bitmap, scale));
  const photo = pixelsOf(bitmap);
  const seen = onWhite(photo);
  const own = seen === photo ? null : opacity(photo);
  const passes = await loaded();
  const matte = new Matte(seen, passes, ABOUT);
  return { file, photo, seen, own, matte, fromServer: null, estimated: null, person: null, alpha: null };
}

/** @param {{key: string}} argument */
function forget({ key }) {
  photos.delete(key);
}

/**
 * Free what is quickly made again.
 * @param {string} key
 */
function release(key) {
  const open = photos.get(key);
  if (!open) return;
  open.person = open.alpha = null;
  open.matte.forget();
}

/**
 * Make the cut-out.
 * @param {{key: string, settings: Settings, shown: number}} argument
 * @param {(share: number) => void} progress
 * @returns {Promise<{bitmap: ImageBitmap, found: boolean, window: import("./core/types.js").Box | null}>}
 */
async function render({ key, settings, shown }, progress) {
  const open = find(key);
  const { seen, own } = open;
  const corrections = drawCorrections(settings.strokes, seen.width, seen.height);
  let alpha = await estimate(open, corrections, settings, progress);
  const found = hasPerson(alpha);
  alpha = adjust(alpha, settings.feather, settings.shift);
  if (own) alpha = { ...alpha, data: alpha.data.map((x, i) => x * own[i]) };
  open.alpha = alpha;
  open.person = estimateForeground(seen, alpha);
  const window = settings.crop === null ? null : personWindow(alpha, settings.crop);
  const { data, width, height } = open.person;
  const picture = new ImageData(/** @type {Uint8ClampedArray<ArrayBuffer>} */ (data), width, height);
  return { bitmap: await toShow(picture, shown), found, window };
}

/**
 * @param {Open} open
 * @param {import("./core/types.js").Marks | null} corrections
 * @param {Settings} settings
 * @param {(share: number) => void} progress
 * @returns {Promise<Plane>}
 */
async function estimate(open, corrections, { server, strokes }, progress) {
  // The matte stays while the strokes stay.
  const made = JSON.stringify([server, strokes]);
  if (open.estimated?.made !== made) {
    const alpha = server
      ? await withServer(open, server, corrections, progress)
      : await open.matte.matte(corrections, progress);
    open.estimated = { made, alpha };
  }
  return open.estimated.alpha;
}

/**
 * Take the server's matte; where a stroke decides, the local alpha that is computed here.
 * @param {Open} open
 * @param {string} server
 * @param {import("./core/types.js").Marks | null} corrections
 * @param {(share: number) => void} progress
 */
async function withServer(open, server, corrections, progress) {
  const whole = (open.fromServer ??= await askServer(open, server));
  if (!corrections) return whole;
  if (!corrections.data.includes(DECIDE)) return paint(whole, corrections);
  const local = await open.matte.matte(corrections, progress);
  const data = whole.data.map((x, i) => (corrections.data[i] === DECIDE ? local.data[i] : x));
  return paint({ ...whole, data }, corrections);
}

/**
 * Let p3m serve estimate the matte.
 * @param {Open} open
 * @param {string} server
 * @returns {Promise<Plane>}
 */
async function askServer({ file, photo }, server) {
  const { width, height } = photo;
  /** @param {Blob} body */
  const ask = async (body) => {
    const answer = await fetch(new URL("matte?write=matte", server), { method: "POST", body }).catch(() => null);
    if (!answer?.ok) throw new Trouble("server");
    return pixelsOf(await decode(await answer.blob(), "server"));
  };
  let matte = await ask(file);
  // The page may show a smaller copy.
  if (matte.width !== width || matte.height !== height) matte = await ask(await encodePng(photo.data, width, 4));
  return { width, height, data: Float32Array.from({ length: width * height }, (_, i) => matte.data[4 * i] / 255) };
}

/**
 * Make a small picture of the blurred background.
 * @param {{key: string, blur: number}} argument
 */
async function blurred({ key, blur }) {
  const open = find(key);
  const { data, width, height } = blurredBackground(open.seen, made(open).alpha, blur, false);
  return createImageBitmap(new ImageData(/** @type {Uint8ClampedArray<ArrayBuffer>} */ (data), width, height));
}

/**
 * Write a file of the photo's full size, or cropped.
 * @param {{key: string, kind: "cutout" | "matte" | "composite", background: Background | null,
 *   part: import("./core/types.js").Box | null}} argument  part is what a crop leaves, or null for all
 * @returns {Promise<{blob: Blob, width: number, height: number}>}
 */
async function encode({ key, kind, background, part }) {
  const open = find(key);
  const { person, alpha } = made(open);
  const { width, height } = person;
  const window = part ?? { left: 0, top: 0, right: width, bottom: height };
  const size = { width: window.right - window.left, height: window.bottom - window.top };
  /** @type {(data: Uint8ClampedArray, channels: 1 | 3 | 4) => Promise<{blob: Blob, width: number, height: number}>} */
  const write = async (data, channels) => {
    const cut = piece({ data, width, height }, window, channels);
    return { blob: await encodePng(cut.data, cut.width, channels), ...size };
  };
  if (kind === "matte") return write(person.data.filter((_, i) => i % 4 === 3), 1);
  if (kind === "cutout") {
    const cut = { ...person, data: person.data.slice() };
    replaceHiddenColors(cut);
    return write(cut.data, 4);
  }
  if (!background) throw new Error("a composite needs a background");
  const { data } = composite(person, alpha, await behind(open, alpha, background));
  return write(data.filter((_, i) => i % 4 < 3), 3);
}

/**
 * @param {Open} open
 * @param {Plane} alpha
 * @param {Background} background
 */
async function behind({ seen }, alpha, background) {
  if (background.kind === "color") return background.color;
  if (background.kind === "blur") return blurredBackground(seen, alpha, background.blur);
  const picture = onWhite(pixelsOf(await decode(background.file, "picture")));
  return cropToFill(picture, seen.height, seen.width);
}

/** @param {string} key */
function find(key) {
  const open = photos.get(key);
  if (!open) throw new Error(`photo ${key} is not open`);
  return open;
}

/** @param {Open} open */
function made({ person, alpha }) {
  if (!person || !alpha) throw new Error("the photo is not matted yet");
  return { person, alpha };
}

async function loaded() {
  if (!network) throw new Trouble("network");
  return network;
}

/**
 * @param {Blob} file
 * @param {"notPhoto" | "picture" | "server"} kind
 */
async function decode(file, kind) {
  try {
    return await createImageBitmap(file, { premultiplyAlpha: "none" });
  } catch {
    throw new Trouble(kind);
  }
}

/**
 * Read the pixels of a bitmap, in strips that every browser's canvas can hold.
 * @param {ImageBitmap} bitmap
 * @returns {Photo}
 */
function pixelsOf(bitmap) {
  const { width, height } = bitmap;
  const data = new Uint8ClampedArray(width * height * 4);
  const rows = Math.min(Math.max(Math.floor(STRIP / width), 1), height);
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Trouble("memory");
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
    data.set(context.getImageData(0, 0, width, count).data, top * width * 4);
  }
  bitmap.close();
  return { data, width, height };
}

/**
 * @param {{width: number, height: number}} size
 * @param {number} scale
 * @returns {ImageBitmapOptions}
 */
function smaller({ width, height }, scale) {
  const [resizeWidth, resizeHeight] = [width, height].map((side) => Math.max(Math.round(side * scale), 1));
  return { resizeWidth, resizeHeight, resizeQuality: "high" };
}

/**
 * @param {ImageBitmap | ImageData} picture
 * @param {number} shown  the largest number of pixels
 */
function toShow(picture, shown) {
  const scale = Math.sqrt(shown / (picture.width * picture.height));
  return createImageBitmap(picture, scale < 1 ? smaller(picture, scale) : {});
}
