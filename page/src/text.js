// All words of the page. To translate it, write another module with the same keys and import that one instead.

export const TEXT = {
  title: "Portrait matting",
  promise: "Photos stay on this device",
  add: "Add photos",
  about: "About and keys",
  close: "Close",

  welcomeHead: "Cut people out of photos",
  welcomeBody: "Down to single strands of hair. Everything runs in this browser: no photo is uploaded.",
  drop: "Drop photos here",
  dropHint: "or paste one from the clipboard",
  choose: "Choose photos",
  sample: "Try a sample photo",
  dropNow: "Drop to add",

  loading: (/** @type {number} */ percent) => `Loading the network, once: ${percent} %`,
  starting: "Starting the network",
  ready: "Ready, also without internet",
  readyOnline: "Ready",
  opening: "Opening the photo",
  matting: "Finding the person",
  mattingOnServer: "Finding the person on this computer",
  updating: "Updating",
  saving: "Writing the file",
  cancel: "Cancel",
  cancelled: "Cancelled. The photo is unchanged.",
  again: "Try again",

  photos: "Photos",
  photo: (/** @type {string} */ name, /** @type {number} */ i, /** @type {number} */ n) => `${name}, photo ${i} of ${n}`,
  remove: (/** @type {string} */ name) => `Remove ${name}`,
  stage: (/** @type {string} */ name) => `Result for ${name}. Drag to move, scroll to zoom.`,
  divider: "Divider between photo and result",
  dividerValue: (/** @type {number} */ percent) => `photo on the left ${percent} %`,
  compare: "Compare with the photo",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  fit: "Fit",
  fitHint: "Fit the photo into the window",
  actual: "Show 100 %",

  background: "Background",
  none: "None",
  color: "Colour",
  picture: "Picture",
  blur: "Blurred",
  ownColor: "Own colour",
  white: "White",
  grey: "Grey",
  black: "Black",
  sky: "Blue",
  green: "Green",
  sand: "Sand",
  choosePicture: "Choose a picture",
  blurAmount: "Blur",

  edges: "Edges",
  feather: "Feather",
  shift: "Grow or shrink",
  pixels: (/** @type {number} */ n) => `${n} px`,
  percent: (/** @type {number} */ n) => `${n} %`,

  brushes: "Correct by hand",
  move: "Move",
  keep: "Keep",
  removeBrush: "Remove",
  decide: "Decide",
  brushHelp: {
    move: "Drag the photo to move it.",
    keep: "Paint what belongs to the person.",
    remove: "Paint what does not belong to the person.",
    decide: "Paint over hair or a lost edge: the network decides there pixel by pixel.",
  },
  size: "Brush size",
  undo: "Undo",
  redo: "Redo",
  clear: "Clear all",

  crop: "Crop",
  cropNone: "Whole photo",
  cropPerson: "Person",
  cropFree: "Free",
  cropHelp: "Drag the edges, the corners or the box. With the keyboard: Tab, then arrows; Shift for single pixels.",
  cropReset: "Reset the box",
  cropSize: (/** @type {number} */ w, /** @type {number} */ h) => `${w} × ${h} px`,
  cropBox: "Crop box; arrows move it",
  cropLeft: "Left edge of the crop box",
  cropTop: "Top edge of the crop box",
  cropRight: "Right edge of the crop box",
  cropBottom: "Bottom edge of the crop box",
  margin: "Margin",

  save: "Download cut-out",
  saveComposite: "With background",
  saveMatte: "Matte",
  saveSize: (/** @type {number} */ w, /** @type {number} */ h) => `PNG, ${w} × ${h} px`,
  saved: (/** @type {string} */ name) => `${name} is saved.`,
  saveAll: (/** @type {number} */ n) => `Download all ${n} cut-outs`,

  server: "Compute on this computer",
  serverHint: "p3m serve has opened this page. It mattes the photo on this computer, faster; the photo still leaves it nowhere.",

  errors: {
    notPhoto: (/** @type {string} */ name) => `${name} is no photo that this browser can read. JPEG, PNG, WebP and AVIF work.`,
    noPhoto: "There is no photo in what you added. JPEG, PNG, WebP and AVIF work.",
    heic: (/** @type {string} */ name) =>
      `${name} is a HEIC photo, which this browser cannot read. Safari can; or export it as JPEG first.`,
    tooLarge: (/** @type {string} */ name, /** @type {number} */ has, /** @type {number} */ most) =>
      `${name} has ${has} megapixels. This browser has memory for about ${most}.`,
    memory: "The memory of this browser does not suffice for the photo at its full size.",
    smaller: (/** @type {number} */ megapixels) => `Use a copy of ${megapixels} megapixels`,
    nobody: "Nobody was found in this photo. The network knows people only; the brushes Keep and Decide can still mark somebody.",
    network: "The network could not be loaded. Check the connection, then try again.",
    server: "The server does not answer. The browser can compute instead.",
    useBrowser: "Compute in the browser",
    unknown: (/** @type {string} */ words) => `Something went wrong: ${words}`,
    picture: (/** @type {string} */ name) => `${name} is no picture that this browser can read.`,
  },

  aboutText: {
    privacy: "Your photos stay here",
    privacyBody:
      "The page has no server of its own. Its security policy forbids every connection to another site. To verify that, " +
      "open the network tools of your browser while you work, or disconnect from the internet: the page goes on working.",
    keys: "Keys",
    network: "The network",
    networkBody:
      "P3M-Net, which learns from photos with blurred faces, in its variant “mobile” (9 MB). Page, code and weights " +
      "are free under the MIT licence.",
    threads: (/** @type {number} */ n) => (n === 1 ? "Computes in 1 thread." : `Computes in ${n} threads.`),
  },
  keys: [
    ["H · K · R · D", "Move, Keep, Remove, Decide"],
    ["[ · ]", "Smaller, larger brush"],
    ["Ctrl Z · Ctrl Y", "Undo, redo"],
    ["+ · − · 0 · 1", "Zoom in, out, fit, 100 %"],
    ["Arrows", "Move the photo, or the divider or the crop box where it has the focus"],
    ["C", "Compare with the photo"],
    ["Ctrl S", "Download the cut-out"],
  ],
};

/**
 * Fill the elements of the page that carry the key of a text: data-text for the content, data-label for the label that
 * screen readers read and that appears as a tip.
 * @param {ParentNode} root
 */
export function fillTexts(root) {
  for (const element of root.querySelectorAll("[data-text], [data-label]")) {
    const { text, label } = /** @type {HTMLElement} */ (element).dataset;
    if (text) element.textContent = find(text);
    if (label) {
      element.setAttribute("aria-label", find(label));
      if (element instanceof HTMLButtonElement) element.title = find(label);
    }
  }
}

/** @param {string} key  with dots between levels */
function find(key) {
  const found = key.split(".").reduce((level, part) => /** @type {any} */ (level)?.[part], /** @type {unknown} */ (TEXT));
  if (typeof found !== "string") throw new Error(`no text ${key}`);
  return found;
}
