// Build the page into dist/: copy its files, ONNX Runtime and the bundled model, and list them for the service worker.

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { GRAPHS, graphFile, WEIGHTS } from "./src/core/registry.js";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const runtime = join(here, "node_modules", "onnxruntime-web");
const weights = join(here, "..", "infer_p3m_portrait_matting", "weights");

/** From where each file or folder of the page comes. */
const SOURCES = {
  "index.html": join(here, "index.html"),
  "style.css": join(here, "style.css"),
  "icon.svg": join(here, "icon.svg"),
  "sample.jpg": join(here, "sample.jpg"),
  "LICENSE": join(here, "..", "LICENSE"),
  "src": join(here, "src"),
  "vendor/ort.wasm.bundle.min.mjs": join(runtime, "dist", "ort.wasm.bundle.min.mjs"),
  "vendor/ort-wasm-simd-threaded.wasm": join(runtime, "dist", "ort-wasm-simd-threaded.wasm"),
  ...Object.fromEntries([WEIGHTS, ...GRAPHS.map(graphFile)].map((name) => [`weights/${name}`, join(weights, name)])),
};

for (const [target, source] of Object.entries(SOURCES)) {
  if (!existsSync(source)) throw new Error(`${source}, for ${target}, is missing: run npm ci`);
}
rmSync(dist, { recursive: true, force: true });
for (const [target, source] of Object.entries(SOURCES)) {
  mkdirSync(dirname(join(dist, target)), { recursive: true });
  cpSync(source, join(dist, target), { recursive: true });
}

/** Path of each file -> the beginning of its SHA-256, and its bytes. */
const files = Object.fromEntries(
  readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
    .map((path) => {
      const content = readFileSync(path);
      const digest = createHash("sha256").update(content).digest("hex").slice(0, 16);
      return [relative(dist, path).split(sep).join("/"), [digest, content.length]];
    }),
);
const worker = readFileSync(join(here, "service-worker.js"), "utf8");
const list = `const FILES = ${JSON.stringify(files, null, 1)};`;
if (!worker.includes("const FILES = {};")) throw new Error("service-worker.js has no place for the list of files");
writeFileSync(join(dist, "service-worker.js"), worker.replace("const FILES = {};", list));
console.log(`${Object.keys(files).length + 1} files in ${dist}`);
