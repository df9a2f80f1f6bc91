// The names of the files that p3m export writes and of ONNX Runtime's.

/** The file out of which all graphs read their weights. */
export const WEIGHTS = "matte.onnx";
/** The graphs that HYBRID runs. */
export const GRAPHS = ["global", "coarse", "tail"];
/** All files of p3m export that the page needs. */
export const FILES = ["model.json", WEIGHTS, ...GRAPHS.map((name) => `${name}.onnx`)];
/** The file of ONNX Runtime. */
export const RUNTIME = "ort-wasm-simd-threaded.wasm";
