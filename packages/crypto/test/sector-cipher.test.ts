/** Sector ciphers beside node:crypto's own modes, one cipher object a sector. */
import { createCipheriv, createHash } from 'node:crypto';
import { prng } from '@blk/oracle';
import { describe, expect, test, vi } from 'vitest';
import { CIPHER_SECTOR, SectorCipher, type IvSpec, type ModeName } from '../src/index.js';
import * as browser from '../src/platform/primitives.js';
import * as node from '../src/platform/primitives-node.js';
import { HASH_NAMES } from '../src/primitives.js';

const random = prng(1);
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256));

function vector(iv: IvSpec, key: Uint8Array, sector: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(sector >>> 0, 0);
  if (iv.name !== 'plain') bytes.writeUInt32LE(Math.floor(sector / 2 ** 32), 4);
  if (iv.name !== 'essiv') return bytes;
  const salt = createHash(iv.hash ?? '').update(key).digest();
  return createCipheriv(`aes-${salt.length * 8}-ecb`, salt, null).setAutoPadding(false).update(bytes);
}

function expected(mode: ModeName, iv: IvSpec, key: Uint8Array, sector: number, plain: Uint8Array): Buffer {
  const bits = (mode === 'xts' ? key.length / 2 : key.length) * 8;
  return Buffer.concat(
    Array.from({ length: plain.length / CIPHER_SECTOR }, (_, index) => {
      const cipher = createCipheriv(`aes-${bits}-${mode}`, key, mode === 'ecb' ? null : vector(iv, key, sector + index));
      return cipher.setAutoPadding(false).update(plain.subarray(index * CIPHER_SECTOR, (index + 1) * CIPHER_SECTOR));
    }),
  );
}

const IVS: IvSpec[] = [{ name: 'plain' }, { name: 'plain64' }, { name: 'essiv', hash: 'sha256' }, { name: 'essiv', hash: 'md5' }];
const KEYS: [ModeName, number][] = [['ecb', 16], ['ecb', 32], ['cbc', 16], ['cbc', 24], ['cbc', 32], ['ctr', 16], ['ctr', 32], ['xts', 32], ['xts', 64]];
const cases = KEYS.flatMap(([mode, keyBytes]) => IVS.map((iv) => ({ mode, keyBytes, iv, name: [iv.name, iv.hash].filter(Boolean).join(':') })));

describe('sector ciphers', () => {
  test.each(cases)('$mode with a key of $keyBytes bytes, $name', ({ mode, keyBytes, iv }) => {
    const key = bytesOf(keyBytes);
    const cipher = new SectorCipher({ mode, iv }, key);
    // One sector; a few; a piece and a part of one; numbers on both sides of 2^32.
    for (const [sector, sectors] of [[0, 1], [7, 3], [2 ** 32 - 2, 5], [2 ** 41 + 3, 2], [100, 256 + 3]] as const) {
      const plain = bytesOf(sectors * CIPHER_SECTOR);
      const into = new Uint8Array(plain.length + 9);
      cipher.encrypt(sector, plain, 0, into, 9, plain.length);
      expect(Buffer.compare(into.subarray(9), expected(mode, iv, key, sector, plain))).toBe(0);
      cipher.decrypt(sector, into, 9, into, 9, plain.length);
      expect(Buffer.compare(into.subarray(9), plain)).toBe(0);
    }
  });

  test('a digest that is no AES key makes no vectors', () => {
    expect(() => new SectorCipher({ mode: 'cbc', iv: { name: 'essiv', hash: 'sha1' } }, bytesOf(32))).toThrow('No AES cipher with key size 20 available');
  });
});

describe('the two platforms', () => {
  test.each(HASH_NAMES)('agree about %s', async (hash) => {
    expect(browser.hasHash(hash) && node.hasHash(hash)).toBe(true);
    const bytes = bytesOf(100);
    expect(Buffer.compare(browser.digest(hash, bytes), node.digest(hash, bytes))).toBe(0);
    const [password, salt] = [bytesOf(9), bytesOf(32)];
    const wanted = await node.pbkdf2(hash, password, salt, 50, 64);
    expect(Buffer.compare(await browser.pbkdf2(hash, password, salt, 50, 64), wanted)).toBe(0);
    // Outside of secure contexts.
    vi.stubGlobal('crypto', {});
    expect(Buffer.compare(await browser.pbkdf2(hash, password, salt, 50, 64), wanted)).toBe(0);
    vi.unstubAllGlobals();
  });

  test.each([16, 24, 32])('agree about AES with a key of %i bytes', (length) => {
    const key = bytesOf(length);
    const [theirs, ours] = [node.aes(key), browser.aes(key)];
    const bytes = bytesOf(16 * 9 + 3).subarray(3);
    expect(Buffer.compare(ours.encrypt(bytes), theirs.encrypt(bytes))).toBe(0);
    expect(Buffer.compare(ours.decrypt(bytes), theirs.decrypt(bytes))).toBe(0);
  });
});
