/** Whether bytes are in the content coding that their head names: fetch() decodes bodies and leaves their heads as they came. */
import { brotliDecompressSync, constants } from "node:zlib";

/** Bytes by which compressed data, hardly any of which are those of text, is told from text: needed, and looked at. */
const needed = 16;
const looked = 64;

/** But for the white space among them. */
const controls = /(?!\s)\p{Cc}/u;

function isText(bytes: Uint8Array): boolean {
  try {
    return !controls.test(new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true }));
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** True or false; undefined where more bytes are needed to tell. */
type Test = (bytes: Uint8Array, isAll: boolean) => boolean | undefined;

const beginsWith =
  (...mark: readonly (readonly [least: number, most: number])[]): Test =>
  (bytes, isAll) => {
    for (const [i, [least, most]] of mark.entries()) {
      const byte = bytes[i];
      if (byte === undefined) return isAll ? false : undefined;
      if (byte < least || byte > most) return false;
    }
    return true;
  };

const byte = (value: number) => [value, value] as const;

const gzip = beginsWith(byte(0x1f), byte(0x8b));
const zstdFrame = beginsWith(byte(0x28), byte(0xb5), byte(0x2f), byte(0xfd));
const skippedFrame = beginsWith([0x50, 0x5f], byte(0x2a), byte(0x4d), byte(0x18));

/** Of codings without a mark (RFC 7932, RFC 1951) text is not in them. */
const unlikeText: Test = (bytes, isAll) => {
  if (!isText(bytes.subarray(0, looked))) return true;
  return isAll || bytes.length >= needed ? false : undefined;
};

const tests: Readonly<Record<string, Test>> = {
  gzip,
  "x-gzip": gzip,
  zstd: (bytes, isAll) => zstdFrame(bytes, isAll) || skippedFrame(bytes, isAll),
  deflate: unlikeText,
  br: unlikeText,
};

/** The coding that has been applied last: that of the bytes as they are. "" for none. */
export const outermost = (header: string | null): string =>
  header?.split(",").at(-1)?.trim().toLowerCase().replace("identity", "") ?? "";

/** Whether the first bytes of a body are in a coding; `isAll`: there are no others. Codings that nobody knows are believed. */
export function isIn(coding: string, bytes: Uint8Array, isAll: boolean): boolean | undefined {
  return Object.hasOwn(tests, coding) ? tests[coding]?.(bytes, isAll) : true;
}

/** Whether fetch() may have decoded a coding. */
export const isDecodable = (coding: string): boolean => Object.hasOwn(tests, coding);

interface Decompressed {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

/** Whether the first bytes of a body decode, by brotli, which has no mark: slow. */
export function isBrotli(bytes: Uint8Array): boolean {
  try {
    const flags = { finishFlush: constants.BROTLI_OPERATION_FLUSH, info: true };
    // With `info` the stream itself comes back, which knows how much it has read.
    const { buffer, engine } = brotliDecompressSync(bytes, flags) as unknown as Decompressed;
    // What begins by chance like a block of metadata, or ends at once, has nothing in it.
    return engine.bytesWritten === bytes.length && buffer.length > 0;
  } catch {
    return false;
  }
}
