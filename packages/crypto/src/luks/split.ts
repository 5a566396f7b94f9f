/** The anti-forensic splitter: a key spread over many stripes, of which every one is needed (LUKS1 specification, section 2.4). */
import { digest, type HashName } from '../primitives.js';
import { STRIPES } from './header.js';

/** Spreads `key` over stripes of its own length; `random` fills a buffer with random bytes. */
export function splitKey(key: Uint8Array, hash: HashName, random: (into: Uint8Array<ArrayBuffer>) => void): Uint8Array {
  const { length } = key;
  const split = new Uint8Array(length * STRIPES);
  random(split.subarray(0, length * (STRIPES - 1)));
  const sum = gather(split, length, hash);
  for (let at = 0; at < length; at++) split[length * (STRIPES - 1) + at] = sum[at] ^ key[at];
  return split;
}

/** The key of `length` bytes that was spread. */
export function mergeKey(split: Uint8Array, length: number, hash: HashName): Uint8Array {
  const key = gather(split, length, hash);
  for (let at = 0; at < length; at++) key[at] ^= split[length * (STRIPES - 1) + at];
  return key;
}

/** What all stripes but the last come to. */
function gather(split: Uint8Array, length: number, hash: HashName): Uint8Array {
  let sum: Uint8Array = new Uint8Array(length);
  for (let stripe = 0; stripe < STRIPES - 1; stripe++) {
    for (let at = 0; at < length; at++) sum[at] ^= split[stripe * length + at];
    sum = diffuse(sum, hash);
  }
  return sum;
}

/** Every piece of a digest's length is replaced by the digest of its number and itself; the last one may be cut. */
function diffuse(bytes: Uint8Array, hash: HashName): Uint8Array {
  const mixed = new Uint8Array(bytes.length);
  const size = DIGEST_BYTES[hash];
  const input = new Uint8Array(4 + size);
  const counter = new DataView(input.buffer);
  for (let at = 0, piece = 0; at < bytes.length; at += size, piece++) {
    const length = Math.min(size, bytes.length - at);
    counter.setUint32(0, piece);
    input.set(bytes.subarray(at, at + length), 4);
    mixed.set(digest(hash, input.subarray(0, 4 + length)).subarray(0, length), at);
  }
  return mixed;
}

const DIGEST_BYTES = { md5: 16, sha1: 20, sha224: 28, sha256: 32, sha384: 48, sha512: 64, ripemd160: 20 } as const satisfies Record<HashName, number>;
