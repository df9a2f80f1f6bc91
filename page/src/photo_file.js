// What the first bytes of a file tell before the browser decodes it: its format and its size.

/** Bytes that are looked at; the size of a JPEG stands behind its metadata and its thumbnail. */
const LOOKED_AT = 1 << 18;

/**
 * @param {Blob} file
 * @returns {Promise<{heic: boolean, pixels: number | null}>}  null where the size is not known
 */
export async function lookAt(file) {
  const bytes = new DataView(await file.slice(0, LOOKED_AT).arrayBuffer());
  const text = (/** @type {number} */ from, /** @type {number} */ length) =>
    from + length > bytes.byteLength ? "" : String.fromCharCode(...new Uint8Array(bytes.buffer, from, length));
  const heic = text(4, 4) === "ftyp" && /^(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(text(8, 4)) && !text(8, 64).includes("avif");
  try {
    return { heic, pixels: sizeOf(bytes, text) };
  } catch (error) {
    // The header is longer than what is looked at.
    if (error instanceof RangeError) return { heic, pixels: null };
    throw error;
  }
}

/**
 * @param {DataView} bytes
 * @param {(from: number, length: number) => string} text
 * @returns {number | null}
 */
function sizeOf(bytes, text) {
  if (text(1, 3) === "PNG") return bytes.getUint32(16) * bytes.getUint32(20);
  if (text(0, 3) === "GIF") return bytes.getUint16(6, true) * bytes.getUint16(8, true);
  if (text(8, 4) === "WEBP") {
    const kind = text(12, 4);
    if (kind === "VP8X") {
      return ((bytes.getUint32(24, true) & 0xffffff) + 1) * ((bytes.getUint32(26, true) >>> 8) + 1);
    }
    if (kind === "VP8 ") return (bytes.getUint16(26, true) & 0x3fff) * (bytes.getUint16(28, true) & 0x3fff);
    const bits = bytes.getUint32(21, true);
    return ((bits & 0x3fff) + 1) * (((bits >>> 14) & 0x3fff) + 1);
  }
  if (bytes.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; ; ) {
    const [mark, kind] = [bytes.getUint8(at), bytes.getUint8(at + 1)];
    if (mark !== 0xff) return null;
    // A start of frame, but neither of the tables DHT, JPG and DAC.
    if (kind >= 0xc0 && kind <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(kind)) {
      return bytes.getUint16(at + 5) * bytes.getUint16(at + 7);
    }
    at += kind === 0xff ? 1 : 2 + bytes.getUint16(at + 2);
  }
}
