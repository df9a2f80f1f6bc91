// Matte a photo by the page's modules, without a browser.
// node page_matte.mjs PAGE WIDTH HEIGHT PHOTO STROKES RESULT: raw files; RGBA, one byte a pixel, float32.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [page, width, height, photo, strokes, result] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(page, "src", "core", name)).href);
const [{ loadNetwork }, { Matte }, { ABOUT, GRAPHS, graphFile, RUNTIME, WEIGHTS }] = await Promise.all(
  ["network.js", "long_photos.js", "registry.js"].map(load),
);
const read = (...path) => Uint8Array.from(readFileSync(join(...path))).buffer;
const files = { [RUNTIME]: read(page, "vendor", RUNTIME) };
for (const name of [WEIGHTS, ...GRAPHS.map(graphFile)]) files[name] = read(page, "weights", name);
const size = { width: Number(width), height: Number(height) };
const matte = new Matte({ data: new Uint8ClampedArray(read(photo)), ...size }, await loadNetwork(files, 1), ABOUT);
// Twice: the second run computes only what the strokes ask for.
await matte.matte();
const { data } = await matte.matte({ data: new Uint8Array(read(strokes)), ...size });
writeFileSync(result, new Uint8Array(data.buffer));
process.exit(0);
