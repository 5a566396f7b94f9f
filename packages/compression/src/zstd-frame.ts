/** The outside of a zstd frame (RFC 8878, section 3.1.1): how long it is and what it promises, before anything is made of it. */
import { StreamError } from './stream-error.js';

const MAGIC = 0xfd2fb528;
/** Longest history that a decoder has to keep; what the format recommends that every decoder can. */
const MAX_WINDOW = 8 * 1024 * 1024;
const RAW = 0;
const RLE = 1;
const RESERVED = 3;

/** The first frame in `bytes`, without what follows it. Throws a `StreamError` where it is none, or says that it holds other than `size` bytes. */
export function zstdFrame(bytes: Uint8Array, size: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== MAGIC) throw refused('no zstd frame begins there');
  const descriptor = bytes[4];
  const single = (descriptor & 0x20) !== 0;
  if ((descriptor & 0x08) !== 0) throw refused('a reserved bit is set');
  let at = 5;
  if (!single) {
    const window = 2 ** (10 + (bytes[at] >> 3));
    if (window + (window / 8) * (bytes[at] & 7) > MAX_WINDOW) throw refused('its window is too large');
    at++;
  }
  const dictionary = [0, 1, 2, 4][descriptor & 3];
  if (bytes.subarray(at, at + dictionary).some((byte) => byte !== 0)) throw refused('it needs a dictionary');
  at += dictionary;
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  if (at + sizeBytes > bytes.length) throw refused('its header is cut short');
  const promised = contentSize(view, at, sizeBytes);
  if (promised !== undefined && promised !== size) throw new StreamError(`holds ${promised} bytes instead of ${size}`);
  at = endOfBlocks(bytes, at + sizeBytes, size) + ((descriptor & 0x04) === 0 ? 0 : 4);
  if (at > bytes.length) throw refused('it is cut short');
  return bytes.subarray(0, at);
}

function contentSize(view: DataView, at: number, sizeBytes: number): number | undefined {
  switch (sizeBytes) {
    case 1:
      return view.getUint8(at);
    case 2:
      return view.getUint16(at, true) + 256;
    case 4:
      return view.getUint32(at, true);
    case 8:
      return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
    default:
      return undefined;
  }
}

function endOfBlocks(bytes: Uint8Array, from: number, size: number): number {
  let plain = 0;
  for (let at = from; at + 3 <= bytes.length; ) {
    const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    const type = (header >> 1) & 3;
    const length = header >> 3;
    if (type === RESERVED) throw refused('a block is of no known kind');
    if (type === RAW || type === RLE) plain += length;
    if (plain > size) throw new StreamError(`holds more than ${size} bytes`);
    at += 3 + (type === RLE ? 1 : length);
    if ((header & 1) !== 0) return at;
  }
  throw refused('it is cut short');
}

function refused(reason: string): StreamError {
  return new StreamError(`can not be inflated: ${reason}`);
}
