// Write PNG files of any size: a canvas is limited in size, and it would round colours by their alpha.

/** Bytes of a picture that are compressed at a time. */
const STRIP = 1 << 22;

/**
 * @param {Uint8Array | Uint8ClampedArray} data  [height, width, channels]
 * @param {number} width
 * @param {1 | 3 | 4} channels  grey, RGB or RGBA
 * @returns {Promise<Blob>}
 */
export async function encodePng(data, width, channels) {
  const row = width * channels;
  const height = data.length / row;
  const rows = Math.max(Math.floor(STRIP / row), 1);
  let y = 0;
  const filtered = new ReadableStream({
    pull(controller) {
      const end = Math.min(y + rows, height);
      const out = new Uint8Array((end - y) * (row + 1));
      for (let to = 0; y < end; y++, to += row + 1) filterRow(data, y * row, row, channels, out, to);
      controller.enqueue(out);
      if (y === height) controller.close();
    },
  });
  const compressed = await new Response(filtered.pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  const head = new DataView(new ArrayBuffer(13));
  head.setUint32(0, width);
  head.setUint32(4, height);
  head.setUint8(8, 8);
  head.setUint8(9, { 1: 0, 3: 2, 4: 6 }[channels]);
  return new Blob(
    [
      new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      ...chunk("IHDR", new Uint8Array(head.buffer)),
      ...chunk("IDAT", new Uint8Array(compressed)),
      ...chunk("IEND", new Uint8Array()),
    ],
    { type: "image/png" },
  );
}

/**
 * Write one row by the filter "Paeth", which suits photos.
 * @param {Uint8Array | Uint8ClampedArray} data
 * @param {number} start
 * @param {number} row
 * @param {number} channels
 * @param {Uint8Array} out  changed
 * @param {number} to
 */
function filterRow(data, start, row, channels, out, to) {
  out[to] = 4;
  for (let i = 0; i < row; i++) {
    const left = i < channels ? 0 : data[start + i - channels];
    const up = start ? data[start + i - row] : 0;
    const corner = start && i >= channels ? data[start + i - row - channels] : 0;
    const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
    out[to + 1 + i] = data[start + i] - (a <= b && a <= c ? left : b <= c ? up : corner);
  }
}

/**
 * @param {string} name
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Uint8Array<ArrayBuffer>[]}
 */
function chunk(name, content) {
  const title = new TextEncoder().encode(name);
  const [before, after] = [new Uint8Array(4), new Uint8Array(4)];
  new DataView(before.buffer).setUint32(0, content.length);
  new DataView(after.buffer).setUint32(0, ~checksum(content, checksum(title, -1)));
  return [before, title, content, after];
}

const CRC = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/**
 * @param {Uint8Array} bytes
 * @param {number} crc
 */
function checksum(bytes, crc) {
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return crc;
}
