/** Initialisation vectors: one block of 16 bytes for each sector, for many sectors at a time. */
import { aes, BLOCK, digest, type BlockCipher, type HashName } from '../primitives.js';
import { luksError } from '../errors.js';

export const IV_NAMES = ['plain', 'plain64', 'essiv'] as const;
export type IvName = (typeof IV_NAMES)[number];

/** How the vector of a sector comes from its number. */
export interface IvSpec {
  readonly name: IvName;
  /** For `essiv`: what makes its key out of the image's. */
  readonly hash?: HashName | undefined;
}

export class IvGenerator {
  readonly #narrow: boolean;
  readonly #salt: BlockCipher | undefined;

  /** `key`: that of the image, of which `essiv` makes one of its own. */
  constructor({ name, hash }: IvSpec, key: Uint8Array) {
    this.#narrow = name === 'plain';
    if (name !== 'essiv') return;
    if (hash === undefined) throw luksError({ what: 'ivgen-hash-missing' });
    const salt = digest(hash, key);
    if (![16, 24, 32].includes(salt.length)) throw luksError({ what: 'essiv-key', keyBytes: salt.length });
    this.#salt = aes(salt);
  }

  /** Puts the vectors of `count` sectors from `sector` on into `memory[at, at + 16 * count)`. */
  fill(memory: Uint8Array, at: number, sector: number, count: number): void {
    const bytes = memory.subarray(at, at + count * BLOCK);
    bytes.fill(0);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let index = 0; index < count; index++) {
      const number = sector + index;
      view.setUint32(index * BLOCK, number >>> 0, true);
      if (!this.#narrow) view.setUint32(index * BLOCK + 4, Math.floor(number / 0x1_0000_0000), true);
    }
    if (this.#salt !== undefined) bytes.set(this.#salt.encrypt(bytes));
  }
}
