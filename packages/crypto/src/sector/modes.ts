/** The modes of encryption over many sectors at once, each made of AES on single blocks and of XOR. */
import { aes, BLOCK } from '../primitives.js';
import type { IvGenerator } from './iv.js';
import type { BlockLoops } from './wasm.js';

/** Encrypts and decrypts the sectors that lie at `data` in the work space, in place. */
export interface PieceCipher {
  encrypt(sector: number, sectors: number): void;
  decrypt(sector: number, sectors: number): void;
}

/** Memory with places in it: the data, room for as much and a block more, and a block for every sector. */
export interface WorkSpace {
  readonly memory: Uint8Array;
  readonly loops: BlockLoops;
  readonly data: number;
  readonly other: number;
  readonly vectors: number;
}

const SECTOR = 512;
const BLOCKS = SECTOR / BLOCK;

type Mode = (space: WorkSpace, key: Uint8Array, iv: IvGenerator) => PieceCipher;

/** Electronic code book: blocks that know nothing of each other, nor of where they lie. */
export const ecb: Mode = ({ memory, data }, key) => {
  const cipher = aes(key);
  return {
    encrypt(_sector, sectors) {
      memory.set(cipher.encrypt(memory.subarray(data, data + sectors * SECTOR)), data);
    },
    decrypt(_sector, sectors) {
      memory.set(cipher.decrypt(memory.subarray(data, data + sectors * SECTOR)), data);
    },
  };
};

/** XEX with tweaks (IEEE 1619): the second half of the key encrypts the sector's vector to its first tweak. */
export const xts: Mode = ({ memory, loops, data, other, vectors }, key, iv) => {
  const half = key.length / 2;
  const cipher = aes(key.subarray(0, half));
  const tweaker = aes(key.subarray(half));
  const whiten = (sector: number, sectors: number): Uint8Array => {
    iv.fill(memory, vectors, sector, sectors);
    memory.set(tweaker.encrypt(memory.subarray(vectors, vectors + sectors * BLOCK)), vectors);
    loops.tweak(other, data, vectors, sectors, BLOCKS);
    return memory.subarray(data, data + sectors * SECTOR);
  };
  const whitenAgain = (bytes: Uint8Array): void => {
    memory.set(bytes, data);
    loops.xor(data, other, bytes.length / BLOCK, BLOCK, BLOCK);
  };
  return {
    encrypt(sector, sectors) {
      whitenAgain(cipher.encrypt(whiten(sector, sectors)));
    },
    decrypt(sector, sectors) {
      whitenAgain(cipher.decrypt(whiten(sector, sectors)));
    },
  };
};

/** Cipher block chaining inside each sector. Encryption goes through all sectors in lock step, one of their blocks after the other. */
export const cbc: Mode = ({ memory, loops, data, other, vectors }, key, iv) => {
  const cipher = aes(key);
  return {
    encrypt(sector, sectors) {
      const chain = memory.subarray(vectors, vectors + sectors * BLOCK);
      iv.fill(memory, vectors, sector, sectors);
      for (let block = 0; block < BLOCKS; block++) {
        const place = data + block * BLOCK;
        loops.xor(vectors, place, sectors, BLOCK, SECTOR);
        chain.set(cipher.encrypt(chain));
        loops.copy(place, vectors, sectors, SECTOR, BLOCK);
      }
    },
    decrypt(sector, sectors) {
      const length = sectors * SECTOR;
      // Every block's predecessor lies at the same place in `other`; that of a sector's first one is the vector.
      memory.copyWithin(other + BLOCK, data, data + length);
      iv.fill(memory, vectors, sector, sectors);
      loops.copy(other, vectors, sectors, SECTOR, BLOCK);
      memory.set(cipher.decrypt(memory.subarray(data, data + length)), data);
      loops.xor(data, other, length / BLOCK, BLOCK, BLOCK);
    },
  };
};

/** Counter mode: the vector of a sector counts up, big-endian, from block to block. */
export const ctr: Mode = ({ memory, loops, data, other, vectors }, key, iv) => {
  const cipher = aes(key);
  const apply = (sector: number, sectors: number): void => {
    const length = sectors * SECTOR;
    iv.fill(memory, vectors, sector, sectors);
    for (let index = 0; index < sectors; index++) {
      const counter = memory.subarray(vectors + index * BLOCK, vectors + (index + 1) * BLOCK);
      for (let block = 0; block < BLOCKS; block++) {
        memory.set(counter, other + index * SECTOR + block * BLOCK);
        for (let at = BLOCK - 1; at >= 0 && ++counter[at] % 256 === 0; at--);
      }
    }
    memory.set(cipher.encrypt(memory.subarray(other, other + length)), other);
    loops.xor(data, other, length / BLOCK, BLOCK, BLOCK);
  };
  return { encrypt: apply, decrypt: apply };
};
