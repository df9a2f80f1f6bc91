// The page: photos, their results and the controls.

import { Engine, Trouble } from "./engine.js";
import { loadFiles } from "./files.js";
import { lookAt } from "./photo_file.js";
import { serverHere } from "./server.js";
import { Stage } from "./stage.js";
import { fillTexts, TEXT } from "./text.js";

/**
 * A photo of the strip.
 * @typedef {{key: string, name: string, file: File, megapixels: number | null, thumb: HTMLCanvasElement,
 *   strokes: import("./core/guide.js").Stroke[], undone: import("./core/guide.js").Stroke[],
 *   size: {width: number, height: number} | null, box: import("./core/types.js").Box | null}} Item  box is the free crop
 */

/** iPhones and iPads have little memory for a page, and WebAssembly's threads are not reliable there. */
const PHONE = /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
/** Megapixels that a photo may have: it takes about 20 bytes a pixel. */
const MOST = PHONE ? 25 : 64;
/** Pixels of what is shown; on a phone, larger canvases stay blank. */
const SHOWN = PHONE ? 12e6 : 64e6;
/** A copy of this size fits wherever the page runs. */
const SMALLER = 12;
const THREADS = PHONE || !self.crossOriginIsolated ? 1 : Math.min(navigator.hardwareConcurrency, 4);
/** Milliseconds after which a change without an end counts as one. */
const PAUSE = 120;
const COLORS = /** @type {const} */ ([
  ["white", "#ffffff"],
  ["grey", "#d5d8dc"],
  ["black", "#16181b"],
  ["sky", "#9cc3e6"],
  ["green", "#1db954"],
  ["sand", "#e8d9c3"],
]);

/**
 * @template {HTMLElement} [Kind=HTMLElement]
 * @param {string} id
 * @returns {Kind}
 */
function $(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return /** @type {Kind} */ (found);
}

/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ ($(id));
/** @param {string} id */
const button = (id) => /** @type {HTMLButtonElement} */ ($(id));

fillTexts(document);
document.title = TEXT.title;

const engine = new Engine(
  loadFiles((share) => say(TEXT.loading(Math.round(100 * share)))),
  THREADS,
);
const stage = new Stage($("frame"), /** @type {HTMLCanvasElement} */ ($("stage")), $("divider"), $("crop-box"), {
  stroke: addStroke,
  zoom: (percent) => (button("zoom-actual").textContent = TEXT.percent(percent)),
  divider: showDivider,
  crop: setBox,
});

/** @type {Item[]} */
const items = [];
/** @type {Item | null} */
let current = null;
/** Whether the current photo has a result. */
let done = false;
let color = "#ffffff";
/** @type {File | null} */
let picture = null;
/** The address of the API of p3m serve, if that is to compute. @type {string | null} */
let server = null;

/**
 * @param {string} words
 * @param {boolean} [calm]  whether the words may be left out where there is little room
 */
function say(words, calm = false) {
  $("status").textContent = words;
  $("status").classList.toggle("calm", calm);
}

// ---------------------------------------------------------------- photos

/** @param {Iterable<File>} files */
async function addFiles(files) {
  const all = [...files];
  const images = all.filter((file) => file.type.startsWith("image/") || /\.(hei[cf]|avif|jxl)$/i.test(file.name));
  if (!images.length && all.length) return complain(TEXT.errors.noPhoto);
  /** @type {Item | null} */
  let first = null;
  for (const file of images) {
    const thumb = document.createElement("canvas");
    const name = file.name || TEXT.photos;
    /** @type {Item} */
    const item = { key: crypto.randomUUID?.() ?? String(Math.random()), name, file, megapixels: null, thumb, strokes: [], undone: [], size: null, box: null };
    items.push(item);
    first ??= item;
  }
  if (!first) return;
  $("welcome").hidden = true;
  $("editor").hidden = false;
  $("add").hidden = false;
  await Promise.all([select(first), drawThumbs()]);
}

/** Draw the thumbnails that are missing, one after the other, as each takes the memory of a whole photo. */
async function drawThumbs() {
  if (items.length < 2) return;
  for (const item of items.filter(({ thumb }) => !thumb.className)) {
    const { pixels } = await lookAt(item.file);
    if (pixels && pixels > MOST * 1e6) item.thumb.className = "unreadable";
    else await drawThumb(item);
  }
}

/** @param {Item} item */
async function select(item) {
  current = item;
  item.size = null;
  clearComplaint();
  showResultReady(false);
  around = null;
  stage.setPhoto(null, 1, 1);
  $("editor").classList.remove("shows");
  showStrip();
  showHistory();
  $("stage").setAttribute("aria-label", TEXT.stage(item.name));
  await update();
}

/** @param {Item} item */
async function remove(item) {
  const at = items.indexOf(item);
  items.splice(at, 1);
  if (engine.ready) engine.call("forget", { key: item.key });
  const next = items[Math.min(at, items.length - 1)];
  if (item !== current) return showStrip();
  if (next) return select(next);
  await cancelWork();
  current = null;
  stage.setPhoto(null, 1, 1);
  $("welcome").hidden = false;
  $("editor").hidden = true;
  $("add").hidden = true;
}

function showStrip() {
  const strip = $("strip");
  strip.hidden = items.length < 2;
  button("save-all").hidden = items.length < 2;
  button("save-all").textContent = TEXT.saveAll(items.length);
  strip.replaceChildren(
    ...items.map((item, i) => {
      const holder = document.createElement("div");
      holder.className = "thumb";
      holder.setAttribute("role", "listitem");
      const choose = document.createElement("button");
      choose.setAttribute("aria-label", TEXT.photo(item.name, i + 1, items.length));
      choose.setAttribute("aria-current", String(item === current));
      choose.append(item.thumb);
      choose.onclick = () => item !== current && select(item);
      const out = document.createElement("button");
      out.className = "out";
      out.title = TEXT.remove(item.name);
      out.setAttribute("aria-label", out.title);
      out.innerHTML = '<svg class="icon"><use href="#i-close" /></svg>';
      out.onclick = () => remove(item);
      holder.append(choose, out);
      return holder;
    }),
  );
}

/**
 * Draw a photo's thumbnail, or nothing where the browser cannot read the photo.
 * @param {Item} item
 */
async function drawThumb({ thumb, file }) {
  const side = 128;
  const bitmap = await createImageBitmap(file, { resizeWidth: 2 * side, resizeQuality: "medium" }).catch(() => null);
  thumb.className = bitmap ? "drawn" : "unreadable";
  if (!bitmap) return;
  thumb.width = thumb.height = side;
  const scale = Math.max(side / bitmap.width, side / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  const context = thumb.getContext("2d");
  if (!context) return;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (side - w) / 2, (side - h) / 4, w, h);
}

// ---------------------------------------------------------------- computing

/** The round that is running, and whether another one is wanted after it. */
const busy = { running: /** @type {Promise<void> | null} */ (null), again: false };
/** The pause that runs, or 0. */
let timer = 0;

/** Bring the result up to date with the controls. */
function update() {
  clearTimeout(timer);
  timer = 0;
  busy.again = true;
  busy.running ??= work().finally(() => (busy.running = null));
  return busy.running;
}

async function work() {
  while (busy.again) {
    busy.again = false;
    const item = current;
    if (!item) break;
    try {
      await compute(item);
    } catch (error) {
      if (item === current) explain(item, error);
    }
  }
  stage.dropPending();
  showBusy(null);
}

/** Update after a pause in a row of changes. */
function updateSoon() {
  clearTimeout(timer);
  timer = window.setTimeout(update, PAUSE);
}

/** @param {Item} item */
async function compute(item) {
  if (!item.size) {
    showBusy(TEXT.opening);
    await open(item);
    if (item !== current) return;
  }
  showBusy(done ? TEXT.updating : server ? TEXT.mattingOnServer : TEXT.matting, done ? null : 0.02);
  const settings = settingsOf(item);
  const { bitmap, found, window } = await engine.call("render", { key: item.key, settings, shown: SHOWN }, (share) => {
    if (item === current) showBusy($("busy-words").textContent, share);
  });
  if (item !== current) return;
  if (!done && !found) {
    complain(TEXT.errors.nobody, [], false);
    // An empty result would look like a fault.
    stage.setDivider(1);
  }
  stage.setResult(bitmap);
  around = window;
  showResultReady(true);
  showCrop();
  if (backdropKind() === "blur" && !busy.again) await showBackdrop();
}

/** Open a photo in the worker, and show it. @param {Item} item */
async function open(item) {
  const { heic, pixels } = await lookAt(item.file);
  const megapixels = pixels && pixels / 1e6;
  if (!item.megapixels && megapixels && megapixels > MOST) throw new Trouble("tooLarge", String(Math.ceil(megapixels)));
  if (!engine.ready) showBusy(TEXT.starting);
  try {
    const opened = await engine.call("open", { key: item.key, file: item.file, megapixels: item.megapixels, shown: SHOWN });
    const { width, height, bitmap } = opened;
    item.size = { width, height };
    if (item === current) {
      stage.setPhoto(bitmap, width, height);
      $("editor").classList.add("shows");
    }
  } catch (error) {
    if (heic && error instanceof Trouble && error.kind === "notPhoto") throw new Trouble("heic");
    throw error;
  }
}

/** The part of the photo around the person, where the crop is to be that. @type {import("./core/types.js").Box | null} */
let around = null;

/**
 * @param {Item} item
 * @returns {import("./worker.js").Settings}
 */
function settingsOf(item) {
  return {
    strokes: item.strokes,
    feather: input("feather").valueAsNumber,
    shift: input("shift").valueAsNumber,
    crop: cropKind() === "person" ? input("margin").valueAsNumber : null,
    server,
  };
}

async function cancelWork() {
  loseWorker();
  await busy.running;
}

/** Stop the worker: nothing that was open is left in it. */
function loseWorker() {
  engine.cancel();
  for (const item of items) item.size = null;
  showResultReady(false);
}

/**
 * @param {string | null} words  null when nothing is running
 * @param {number | null} [share]
 */
function showBusy(words, share = null) {
  $("busy").hidden = words === null;
  $("busy-words").textContent = words;
  const bar = /** @type {HTMLProgressElement} */ ($("busy-bar"));
  bar.hidden = share === null;
  if (share !== null) bar.value = share;
}

/** @param {boolean} ready */
function showResultReady(ready) {
  done = ready;
  for (const id of ["save-cutout", "save-matte", "compare"]) button(id).disabled = !ready;
  button("save-composite").disabled = !ready || backdropKind() === "none";
  const part = partToSave();
  const size = part ? { width: part.right - part.left, height: part.bottom - part.top } : current?.size;
  $("save-size").textContent = ready && size ? TEXT.saveSize(size.width, size.height) : "";
}

// ---------------------------------------------------------------- words about trouble

/**
 * @param {string} words
 * @param {[string, () => void][]} [actions]
 * @param {boolean} [isError]
 */
function complain(words, actions = [], isError = true) {
  $("welcome-words").textContent = words;
  if ($("editor").hidden) return;
  $("notice-words").textContent = words;
  $("notice").classList.toggle("error", isError);
  $("notice-actions").replaceChildren(
    ...actions.map(([label, act]) => {
      const action = document.createElement("button");
      action.className = "button small";
      action.textContent = label;
      action.onclick = () => {
        clearComplaint();
        act();
      };
      return action;
    }),
  );
  $("notice").hidden = false;
}

function clearComplaint() {
  $("welcome-words").textContent = "";
  $("notice").hidden = true;
}

/**
 * @param {Item} item
 * @param {unknown} error
 */
function explain(item, error) {
  const { errors } = TEXT;
  const kind = error instanceof Trouble ? error.kind : "unknown";
  const words = error instanceof Error ? error.message : String(error);
  const has = item.size ? (item.size.width * item.size.height) / 1e6 : Infinity;
  const smaller = () => {
    item.megapixels = SMALLER;
    item.key += " smaller";
    item.size = null;
    update();
  };
  /** @type {[string, () => void]} */
  const again = [TEXT.again, update];
  switch (kind) {
    case "cancelled":
      return complain(TEXT.cancelled, [again], false);
    case "notPhoto":
      return complain(errors.notPhoto(item.name));
    case "heic":
      return complain(errors.heic(item.name));
    case "picture":
      return complain(errors.picture(picture?.name ?? TEXT.picture));
    case "tooLarge":
      return complain(errors.tooLarge(item.name, Number(words), MOST), [[errors.smaller(SMALLER), smaller]]);
    case "memory":
      // The worker's memory may be in pieces: a new one begins with all of it.
      loseWorker();
      return complain(errors.memory, has > SMALLER ? [[errors.smaller(SMALLER), smaller]] : [again]);
    case "server":
      return complain(errors.server, [[errors.useBrowser, () => input("use-server").click()], again]);
    case "network":
      return complain(errors.network, [[TEXT.again, () => location.reload()]]);
    default:
      console.error(error);
      return complain(errors.unknown(words), [again]);
  }
}

// ---------------------------------------------------------------- background

function backdropKind() {
  const chosen = /** @type {HTMLInputElement | null} */ (document.querySelector("[name=background]:checked"));
  return /** @type {"none" | "color" | "picture" | "blur"} */ (chosen?.value ?? "none");
}

async function showBackdrop() {
  const kind = backdropKind();
  for (const element of document.querySelectorAll("[data-for]")) {
    /** @type {HTMLElement} */ (element).hidden = /** @type {HTMLElement} */ (element).dataset.for !== kind;
  }
  showResultReady(done);
  if (kind === "none") stage.setBackdrop({ kind: "none" });
  else if (kind === "color") stage.setBackdrop({ kind: "color", color });
  else if (kind === "picture") {
    if (!picture) return input("picture-input").click();
    const bitmap = await createImageBitmap(picture).catch(() => null);
    if (bitmap) stage.setBackdrop({ kind: "bitmap", bitmap, cover: true });
    else complain(TEXT.errors.picture(picture.name));
  } else if (done && current) {
    const bitmap = await engine.call("blurred", { key: current.key, blur: input("blur").valueAsNumber / 100 });
    if (backdropKind() === "blur") stage.setBackdrop({ kind: "bitmap", bitmap, cover: false });
  }
}

function makeSwatches() {
  const swatches = $("swatches");
  const own = document.createElement("input");
  own.type = "color";
  own.value = "#e9564b";
  own.setAttribute("aria-label", TEXT.ownColor);
  const holder = document.createElement("label");
  holder.title = TEXT.ownColor;
  holder.append(own);
  const buttons = COLORS.map(([name, value]) => {
    const swatch = document.createElement("button");
    swatch.type = "button";
    swatch.style.background = value;
    swatch.title = TEXT[name];
    swatch.setAttribute("aria-label", TEXT[name]);
    swatch.onclick = () => choose(value, swatch);
    return swatch;
  });
  /** @type {(value: string, chosen: HTMLElement) => void} */
  const choose = (value, chosen) => {
    color = value;
    for (const swatch of buttons) swatch.setAttribute("aria-pressed", String(swatch === chosen));
    holder.classList.toggle("chosen", chosen === holder);
    showBackdrop();
  };
  own.oninput = () => choose(own.value, holder);
  swatches.append(...buttons, holder);
  buttons[0].setAttribute("aria-pressed", "true");
}

// ---------------------------------------------------------------- brushes

/** @param {import("./core/guide.js").Stroke} stroke */
function addStroke(stroke) {
  if (!current) return;
  current.strokes.push(stroke);
  current.undone = [];
  showHistory();
  update();
}

function undo() {
  moveStroke("strokes", "undone");
}

function redo() {
  moveStroke("undone", "strokes");
}

/**
 * Move the last stroke of one list to the other.
 * @param {"strokes" | "undone"} from
 * @param {"strokes" | "undone"} to
 */
function moveStroke(from, to) {
  const stroke = current?.[from].pop();
  if (!stroke || !current) return;
  current[to].push(stroke);
  showHistory();
  update();
}

function clear() {
  if (!current) return;
  current.undone = [...current.strokes].reverse();
  current.strokes = [];
  showHistory();
  update();
}

function showHistory() {
  const [strokes, undone] = [current?.strokes.length ?? 0, current?.undone.length ?? 0];
  $("history").hidden = stage.tool === "move" && !strokes && !undone;
  button("undo").disabled = button("clear").disabled = !strokes;
  button("redo").disabled = !undone;
}

/** @param {import("./stage.js").Tool} tool */
function chooseTool(tool) {
  stage.tool = tool;
  $("frame").dataset.tool = tool;
  for (const radio of document.querySelectorAll("[name=tool]")) {
    /** @type {HTMLInputElement} */ (radio).checked = /** @type {HTMLInputElement} */ (radio).value === tool;
  }
  $("brush-help").textContent = TEXT.brushHelp[tool];
  $("brush-size").hidden = tool === "move";
  showCrop();
  showHistory();
  stage.redraw();
}

// ---------------------------------------------------------------- crop

function cropKind() {
  const chosen = /** @type {HTMLInputElement | null} */ (document.querySelector("[name=crop]:checked"));
  return /** @type {"none" | "person" | "box"} */ (chosen?.value ?? "none");
}

/** @returns {import("./core/types.js").Box | null}  null for the whole photo */
function partToSave() {
  const kind = cropKind();
  return kind === "person" ? around : kind === "box" ? (current?.box ?? null) : null;
}

/** Show what the crop leaves, or the box that is to be drawn. */
function showCrop() {
  const kind = cropKind();
  $("crop-margin").hidden = kind !== "person";
  $("crop-free").hidden = kind !== "box";
  // Someone who paints wants to see what the crop leaves out.
  stage.setPart(kind === "person" && stage.tool === "move" ? around : null);
  const size = current?.size;
  const box = done && size && kind === "box" ? (current?.box ?? whole(size)) : null;
  stage.setCropBox(box);
  showCropSize(box);
}

/** @param {import("./core/types.js").Box | null} box */
function showCropSize(box) {
  $("crop-size").textContent = box && TEXT.cropSize(box.right - box.left, box.bottom - box.top);
}

/** @param {import("./core/types.js").Box} box */
function setBox(box) {
  if (!current) return;
  current.box = box;
  showCropSize(box);
  showResultReady(done);
}

/**
 * @param {{width: number, height: number}} size
 * @returns {import("./core/types.js").Box}
 */
const whole = ({ width, height }) => ({ left: 0, top: 0, right: width, bottom: height });

function resetBox() {
  if (current) current.box = null;
  showCrop();
  showResultReady(done);
}

function changeCrop() {
  // The crop around the person is where a free one begins.
  if (cropKind() === "box" && current && !current.box) current.box = around;
  showCrop();
  if (cropKind() === "person") update();
  else showResultReady(done);
}

// ---------------------------------------------------------------- files

/** @param {"cutout" | "matte" | "composite"} kind */
async function save(kind) {
  const item = current;
  if (!item || !done) return;
  if (timer) update();
  await busy.running;
  if (item !== current || !done) return;
  showBusy(TEXT.saving);
  try {
    const { blob } = await engine.call("encode", { key: item.key, kind, background: backgroundToWrite(), part: partToSave() });
    download(blob, item, kind);
  } catch (error) {
    explain(item, error);
  } finally {
    showBusy(null);
  }
}

async function saveAll() {
  for (const item of [...items]) {
    if (!items.includes(item)) continue;
    if (item !== current || !done) await select(item);
    if (item !== current || !done) return;
    await save("cutout");
  }
}

/**
 * @param {Blob} blob
 * @param {Item} item
 * @param {string} kind
 */
function download(blob, item, kind) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${item.name.replace(/\.[^.]*$/, "")}_${kind}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(TEXT.saved(link.download));
}

/** @returns {import("./worker.js").Background | null} */
function backgroundToWrite() {
  const kind = backdropKind();
  if (kind === "color") return { kind, color: [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)) };
  if (kind === "picture" && picture) return { kind, file: picture };
  if (kind === "blur") return { kind, blur: input("blur").valueAsNumber / 100 };
  return null;
}

// ---------------------------------------------------------------- controls

/** @param {number} share */
function showDivider(share) {
  const percent = Math.round(100 * share);
  $("divider").setAttribute("aria-valuenow", String(percent));
  $("divider").setAttribute("aria-valuetext", TEXT.dividerValue(percent));
  button("compare").setAttribute("aria-pressed", String(share > 0));
}

const compare = () => stage.setDivider(stage.divider ? 0 : 0.5);

/** @param {number} by */
function changeBrush(by) {
  const brush = input("brush");
  brush.valueAsNumber += by;
  brush.dispatchEvent(new Event("input", { bubbles: true }));
}

for (const [id, act] of /** @type {[string, () => void][]} */ ([
  ["choose", () => input("photo-input").click()],
  ["add", () => input("photo-input").click()],
  ["sample", addSample],
  ["cancel", cancelWork],
  ["notice-close", clearComplaint],
  ["compare", compare],
  ["zoom-in", () => stage.zoomBy(1.5)],
  ["zoom-out", () => stage.zoomBy(1 / 1.5)],
  ["zoom-actual", () => stage.actual()],
  ["zoom-fit", () => stage.fit()],
  ["undo", undo],
  ["redo", redo],
  ["clear", clear],
  ["crop-reset", resetBox],
  ["choose-picture", () => input("picture-input").click()],
  ["save-cutout", () => save("cutout")],
  ["save-composite", () => save("composite")],
  ["save-matte", () => save("matte")],
  ["save-all", saveAll],
  ["about", () => /** @type {HTMLDialogElement} */ ($("about-dialog")).showModal()],
])) {
  $(id).addEventListener("click", act);
}

for (const slider of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll(".slider input"))) {
  const show = () => {
    const unit = TEXT[/** @type {"pixels" | "percent"} */ (slider.dataset.unit)];
    const output = slider.parentElement?.querySelector("output");
    if (output) output.textContent = unit(slider.valueAsNumber);
    slider.setAttribute("aria-valuetext", unit(slider.valueAsNumber));
  };
  slider.addEventListener("input", show);
  show();
}
for (const id of ["feather", "shift", "margin"]) input(id).addEventListener("input", updateSoon);
$("crops").addEventListener("change", (event) => {
  if (/** @type {HTMLInputElement} */ (event.target).name === "crop") changeCrop();
});
input("blur").addEventListener("change", showBackdrop);
input("brush").addEventListener("input", () => {
  stage.brush = input("brush").valueAsNumber;
});
$("backgrounds").addEventListener("change", showBackdrop);
$("brushes").addEventListener("change", (event) => {
  const { name, value } = /** @type {HTMLInputElement} */ (event.target);
  if (name === "tool") chooseTool(/** @type {import("./stage.js").Tool} */ (value));
});
input("photo-input").addEventListener("change", () => {
  addFiles(input("photo-input").files ?? []);
  input("photo-input").value = "";
});
input("picture-input").addEventListener("change", () => {
  picture = input("picture-input").files?.[0] ?? picture;
  input("picture-input").value = "";
  showBackdrop();
});

async function addSample() {
  const answer = await fetch(new URL("../sample.jpg", import.meta.url));
  addFiles([new File([await answer.blob()], "sample.jpg", { type: "image/jpeg" })]);
}

// ---------------------------------------------------------------- drop, paste, keys

let dragDepth = 0;
addEventListener("dragenter", (event) => {
  event.preventDefault();
  dragDepth++;
  $("drop-veil").hidden = false;
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("dragleave", () => {
  dragDepth = Math.max(dragDepth - 1, 0);
  $("drop-veil").hidden = dragDepth > 0 ? false : true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  dragDepth = 0;
  $("drop-veil").hidden = true;
  addFiles(event.dataTransfer?.files ?? []);
});
addEventListener("paste", (event) => {
  const files = event.clipboardData?.files ?? [];
  if (files.length) addFiles(files);
});
addEventListener("keydown", (event) => {
  const isText = event.target instanceof HTMLInputElement && !["range", "radio", "checkbox"].includes(event.target.type);
  if (!current || isText || event.altKey || /** @type {HTMLDialogElement} */ ($("about-dialog")).open) return;
  const control = event.ctrlKey || event.metaKey;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  /** @type {Record<string, () => void>} */
  const acts = control
    ? { z: event.shiftKey ? redo : undo, y: redo, s: () => save("cutout") }
    : {
        h: () => chooseTool("move"),
        k: () => chooseTool("keep"),
        r: () => chooseTool("remove"),
        d: () => chooseTool("decide"),
        "[": () => changeBrush(-6),
        "]": () => changeBrush(6),
        "+": () => stage.zoomBy(1.5),
        "=": () => stage.zoomBy(1.5),
        "-": () => stage.zoomBy(1 / 1.5),
        0: () => stage.fit(),
        1: () => stage.actual(),
        c: compare,
      };
  if (!Object.hasOwn(acts, key)) return;
  event.preventDefault();
  acts[key]();
});

// ---------------------------------------------------------------- start

makeSwatches();
chooseTool("move");
showDivider(0);
$("keys").replaceChildren(
  ...TEXT.keys.flatMap(([keys, words]) => {
    const [term, meaning] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, meaning.textContent] = [keys, words];
    return [term, meaning];
  }),
);
$("threads").textContent = TEXT.aboutText.threads(THREADS);
serverHere().then((address) => {
  if (!address) return;
  $("server").hidden = false;
  input("use-server").addEventListener("change", () => {
    server = input("use-server").checked ? address : null;
    if (current) update();
  });
});
engine.start().then(
  () => say(navigator.serviceWorker?.controller ? TEXT.ready : TEXT.readyOnline, true),
  (error) => {
    say(TEXT.errors.network);
    console.error(error);
  },
);
