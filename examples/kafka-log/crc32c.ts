/** CRC-32C (Castagnoli; RFC 3720, appendix B.4), eight bytes at a time. */

const polynomial = 0x82f63b78;

/** Row r of 256: what a byte does to the sum when r more bytes follow. */
const table = new Int32Array(8 * 256);
for (let i = 0; i < table.length; i++) {
  let sum = i < 256 ? i : (table[i - 256] ?? 0);
  for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? polynomial : 0);
  table[i] = sum;
}

function at(row: number, byte: number): number {
  return table[(row << 8) | (byte & 0xff)] ?? 0;
}

export function crc32c(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sum = -1;
  let i = 0;
  for (; i + 8 <= bytes.length; i += 8) {
    const low = view.getInt32(i, true) ^ sum;
    const high = view.getInt32(i + 4, true);
    const first = at(7, low) ^ at(6, low >>> 8) ^ at(5, low >>> 16) ^ at(4, low >>> 24);
    sum = first ^ at(3, high) ^ at(2, high >>> 8) ^ at(1, high >>> 16) ^ at(0, high >>> 24);
  }
  for (; i < bytes.length; i++) sum = (sum >>> 8) ^ at(0, sum ^ view.getUint8(i));
  return ~sum >>> 0;
}
