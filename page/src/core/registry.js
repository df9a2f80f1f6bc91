// The bundled model and its rules: p3m/model/registry.py, p3m/inference/preprocess.py, pass_sizes.py and onnx_network.py.

/** The file out of which all graphs read their weights. */
export const WEIGHTS = "p3m_mobile.safetensors";
/** The graphs: the global pass; the local pass down to a quarter of its size; its two finest levels, in windows. */
export const GRAPHS = ["global", "coarse", "tail"];
/** The file of each graph. */
export const graphFile = (/** @type {string} */ name) => WEIGHTS.replace(".safetensors", `_${name}.onnx`);
/** The file of ONNX Runtime. */
export const RUNTIME = "ort-wasm-simd-threaded.wasm";

/** @type {import("./types.js").About} */
export const ABOUT = {
  image: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  procedure: { input_size: 1024, global_bound: 480, min_side: 512, unknown_above: null, second_look: [0.02, 0.01] },
  windows: { multiple_of: 4, margin: 20 },
};
