/**
 * Encryption of sectors of 512 bytes, each by its own number: the part of disk encryption that every request goes through.
 *
 * A request is handled in pieces of 32 KiB, each by very few calls of long-lived ciphers over all of its sectors: what
 * they return is new memory every time, which in larger pieces comes as pages never touched before, at half the speed.
 */
import { BLOCK } from '../primitives.js';
import { IvGenerator, type IvSpec } from './iv.js';
import { cbc, ctr, ecb, xts, type PieceCipher } from './modes.js';
import { blockLoops } from './wasm.js';

/** Bytes of a sector, as LUKS and qcow2 count them. */
export const CIPHER_SECTOR = 512;

export const MODE_NAMES = ['ecb', 'cbc', 'xts', 'ctr'] as const;
export type ModeName = (typeof MODE_NAMES)[number];

export interface SectorCipherSpec {
  readonly mode: ModeName;
  readonly iv: IvSpec;
}

const PIECE = 32 * 1024;
const MODES = { ecb, cbc, xts, ctr } as const satisfies Record<ModeName, unknown>;

export class SectorCipher {
  readonly #piece: PieceCipher;
  readonly #memory: Uint8Array;

  /** AES with `key`: 16, 24 or 32 bytes, twice that for xts. It must not change afterwards. */
  constructor({ mode, iv }: SectorCipherSpec, key: Uint8Array) {
    // Data, tweaks or the text before (one block longer), vectors.
    const vectors = 2 * PIECE + BLOCK;
    const { loops, memory } = blockLoops(vectors + (PIECE / CIPHER_SECTOR) * BLOCK);
    this.#memory = memory;
    this.#piece = MODES[mode]({ memory, loops, data: 0, other: PIECE, vectors }, key, new IvGenerator(iv, key));
  }

  /**
   * Encrypts `from[fromStart, fromStart + length)`, whole sectors of which the first has the number `sector`, into `into` at `intoStart`.
   * Both may be the same place.
   */
  encrypt(sector: number, from: Uint8Array, fromStart: number, into: Uint8Array, intoStart: number, length: number): void {
    for (let at = 0; at < length; at += PIECE) {
      const bytes = Math.min(PIECE, length - at);
      this.#memory.set(from.subarray(fromStart + at, fromStart + at + bytes), 0);
      this.#piece.encrypt(sector + at / CIPHER_SECTOR, bytes / CIPHER_SECTOR);
      into.set(this.#memory.subarray(0, bytes), intoStart + at);
    }
  }

  /** The same the other way. */
  decrypt(sector: number, from: Uint8Array, fromStart: number, into: Uint8Array, intoStart: number, length: number): void {
    for (let at = 0; at < length; at += PIECE) {
      const bytes = Math.min(PIECE, length - at);
      this.#memory.set(from.subarray(fromStart + at, fromStart + at + bytes), 0);
      this.#piece.decrypt(sector + at / CIPHER_SECTOR, bytes / CIPHER_SECTOR);
      into.set(this.#memory.subarray(0, bytes), intoStart + at);
    }
  }
}
