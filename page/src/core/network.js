// The exported graphs in ONNX Runtime: the passes that procedures.js calls.

import * as ort from "../../vendor/ort.wasm.bundle.min.mjs";
import { GRAPHS, RUNTIME, WEIGHTS } from "./graphs.js";

/**
 * Load the graphs.
 * @param {Record<string, ArrayBuffer>} files  the content of FILES and of RUNTIME
 * @param {number} threads
 * @returns {Promise<{passes: import("./procedures.js").Passes, about: import("./types.js").About}>}
 */
export async function loadNetwork(files, threads) {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = files[RUNTIME];
  const about = JSON.parse(new TextDecoder().decode(files["model.json"]));
  /** @type {Record<string, ort.InferenceSession>} */
  const sessions = {};
  for (const name of GRAPHS) {
    sessions[name] = await ort.InferenceSession.create(new Uint8Array(files[`${name}.onnx`]), {
      executionProviders: ["wasm"],
      externalData: [{ path: WEIGHTS, data: new Uint8Array(files[WEIGHTS]) }],
    });
  }
  return { about, passes: makePasses(sessions, about.files) };
}

/**
 * @param {Record<string, ort.InferenceSession>} sessions
 * @param {Record<string, {inputs: Record<string, number>, outputs: Record<string, number>}>} files
 * @returns {import("./procedures.js").Passes}
 */
function makePasses(sessions, files) {
  const maps = Object.entries(files["coarse.onnx"].outputs);
  /** @type {(name: string, feeds: Record<string, ort.Tensor>) => Promise<Record<string, ort.Tensor>>} */
  const run = (name, feeds) => sessions[name].run(feeds);
  const picture = (/** @type {Float32Array} */ x, /** @type {number} */ height, /** @type {number} */ width) => ({
    image: new ort.Tensor("float32", x, [1, 3, height, width]),
  });
  return {
    async segment(x, height, width) {
      return values((await run("global", picture(x, height, width))).logits);
    },
    async coarse(x, height, width) {
      const found = await run("coarse", picture(x, height, width));
      return maps.map(([name, by]) => ({ data: values(found[name]), channels: found[name].dims[1], by }));
    },
    async tail(parts, height, width) {
      const feeds = maps.map(([name], i) => {
        const { data, channels, by } = parts[i];
        return [name, new ort.Tensor("float32", data, [1, channels, height / by, width / by])];
      });
      return values((await run("tail", Object.fromEntries(feeds))).local_alpha);
    },
  };
}

/** @param {ort.Tensor} tensor */
function values(tensor) {
  return /** @type {Float32Array} */ (tensor.data);
}
