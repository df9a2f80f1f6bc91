/**
 * The kinds of data that the modules exchange.
 *
 * @typedef {{data: Uint8ClampedArray, width: number, height: number}} Photo  RGBA, 8 bits, straight alpha, row by row
 * @typedef {{data: Float32Array, width: number, height: number}} Plane  one number per pixel, row by row
 * @typedef {{data: Uint8Array, width: number, height: number}} Marks  one small integer per pixel, row by row
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box  right and bottom are exclusive
 * @typedef {{image: {mean: number[], std: number[]},
 *   procedure: {input_size: number, global_bound: number | null, min_side: number, unknown_above: number | null,
 *     second_look: [number, number]},
 *   windows: {multiple_of: number, margin: number}}} About  the part of model.json that the rules need
 */

export {};
