// The size of each pass through the network: p3m/inference/pass_sizes.py.

/** The network halves its input five times. */
const STRIDE = 32;

/**
 * Round a side in pixels down to a multiple of 32, but not below 32.
 * @param {number} side
 */
function floorToStride(side) {
  return Math.max(Math.floor(side / STRIDE), 1) * STRIDE;
}

/**
 * Choose the size at which a photo goes through the network.
 * @param {number} height  the photo's height in pixels
 * @param {number} width  the photo's width in pixels
 * @param {import("./types.js").About["procedure"]} procedure
 * @param {boolean} local  whether for the local pass; the global pass starts from half of the photo's size
 * @returns {{height: number, width: number}}  multiples of 32
 */
export function passSize(height, width, procedure, local) {
  const { input_size, global_bound, min_side } = procedure;
  let limit = floorToStride(local || global_bound === null ? input_size : Math.min(input_size, global_bound));
  const divisor = local ? 1 : 2;
  const longest = Math.max(height, width);
  if (longest >= min_side && longest <= limit * divisor) {
    return { height: floorToStride(Math.floor(height / divisor)), width: floorToStride(Math.floor(width / divisor)) };
  }
  if (longest < min_side) limit = Math.min(limit, Math.floor(min_side / divisor));
  return {
    height: floorToStride(Math.floor((height * limit) / longest)),
    width: floorToStride(Math.floor((width * limit) / longest)),
  };
}
