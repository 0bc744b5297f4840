/** CRC-32C (Castagnoli; RFC 3720, appendix B.4), eight bytes at a time. */

const polynomial = 0x82f63b78;

function at(row: Int32Array, index: number): number {
  return row[index] ?? 0;
}

/** What a byte does to the sum. */
const t0 = new Int32Array(256).map((_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? polynomial : 0);
  return sum;
});
/** The same, when one more byte follows than in the row before. */
const next = (row: Int32Array): Int32Array => row.map((sum) => (sum >>> 8) ^ at(t0, sum & 0xff));
const t1 = next(t0);
const t2 = next(t1);
const t3 = next(t2);
const t4 = next(t3);
const t5 = next(t4);
const t6 = next(t5);
const t7 = next(t6);

export function crc32c(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const eights = bytes.length - (bytes.length % 8);
  let sum = -1;
  let i = 0;
  for (; i < eights; i += 8) {
    const low = view.getInt32(i, true) ^ sum;
    const high = view.getInt32(i + 4, true);
    sum =
      at(t7, low & 0xff) ^
      at(t6, (low >>> 8) & 0xff) ^
      at(t5, (low >>> 16) & 0xff) ^
      at(t4, low >>> 24) ^
      at(t3, high & 0xff) ^
      at(t2, (high >>> 8) & 0xff) ^
      at(t1, (high >>> 16) & 0xff) ^
      at(t0, high >>> 24);
  }
  for (; i < bytes.length; i++) sum = (sum >>> 8) ^ at(t0, (sum ^ view.getUint8(i)) & 0xff);
  return ~sum >>> 0;
}
