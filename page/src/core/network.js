// The bundled graphs in ONNX Runtime, the passes that procedures.js calls: p3m/inference/onnx_network.py.

import * as ort from "../../vendor/ort.wasm.bundle.min.mjs";
import { GRAPHS, graphFile, RUNTIME, WEIGHTS } from "./registry.js";

/**
 * Load the graphs.
 * @param {Record<string, ArrayBuffer>} files  content of the weights, of each graph, and of ONNX Runtime, by name
 * @param {number} threads
 * @returns {Promise<import("./procedures.js").Passes>}
 */
export async function loadNetwork(files, threads) {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = files[RUNTIME];
  /** @type {Record<string, ort.InferenceSession>} */
  const sessions = {};
  for (const name of GRAPHS) {
    sessions[name] = await ort.InferenceSession.create(new Uint8Array(files[graphFile(name)]), {
      executionProviders: ["wasm"],
      externalData: [{ path: WEIGHTS, data: new Uint8Array(files[WEIGHTS]) }],
    });
  }
  const { global, coarse, tail } = sessions;
  const [logits] = global.outputNames;
  const [local] = tail.outputNames;
  /** @type {(session: ort.InferenceSession, x: Float32Array, height: number, width: number) => Promise<Record<string, ort.Tensor>>} */
  const run = (session, x, height, width) =>
    session.run({ [session.inputNames[0]]: new ort.Tensor("float32", x, [1, 3, height, width]) });
  return {
    async segment(x, height, width) {
      return values((await run(global, x, height, width))[logits]);
    },
    async coarse(x, height, width) {
      const found = await run(coarse, x, height, width);
      return coarse.outputNames.map((name) => {
        const [, channels, rows] = found[name].dims;
        return { data: values(found[name]), channels, by: height / rows };
      });
    },
    async tail(maps, height, width) {
      const feeds = maps.map(({ data, channels, by }, i) => {
        return [tail.inputNames[i], new ort.Tensor("float32", data, [1, channels, height / by, width / by])];
      });
      return values((await tail.run(Object.fromEntries(feeds)))[local]);
    },
  };
}

/** @param {ort.Tensor} tensor */
function values(tensor) {
  return /** @type {Float32Array} */ (tensor.data);
}
