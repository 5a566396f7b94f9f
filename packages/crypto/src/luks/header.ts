/** The LUKS header, version 1: bytes to a checked value and back (LUKS1 On-Disk Format Specification 1.2.3, section 2 and figure 1). */
import { luksError } from '../errors.js';
import type { HashName } from '../primitives.js';
import { CIPHER_SECTOR } from '../sector/sector-cipher.js';
import { cipherNames, parseCipherSpec, parseHash, type CipherSpec } from './cipher-spec.js';

/** Bytes of the header with its eight key slots' descriptions. */
export const LUKS_HEADER_BYTES = 592;
export const SLOTS = 8;
export const STRIPES = 4000;
export const DIGEST_BYTES = 20;
export const SALT_BYTES = 32;
/** The most that platforms derive a key with; the field has room for twice as many. */
export const MAX_ITERATIONS = 2 ** 31 - 1;
const FIRST_SLOT = 208;
const SLOT_BYTES = 48;
const ACTIVE = 0x00ac71f3;
const INACTIVE = 0x0000dead;
const MAGIC = [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe];

/** What a header says about one slot for a passphrase. */
export interface KeySlot {
  readonly active: boolean;
  /** Of PBKDF2; 0 where the slot is not active. */
  readonly iterations: number;
  readonly salt: Uint8Array;
  /** Bytes from the beginning of the header. */
  readonly offset: number;
}

export interface LuksHeader {
  readonly cipher: CipherSpec;
  readonly hash: HashName;
  /** Bytes from the beginning of the header. */
  readonly payloadOffset: number;
  /** What tells that a master key is the right one. */
  readonly digest: Uint8Array;
  readonly digestSalt: Uint8Array;
  readonly digestIterations: number;
  readonly uuid: string;
  readonly slots: readonly KeySlot[];
}

/** Checks a header. Throws a `BlockError` and nothing else. */
export function parseLuksHeader(bytes: Uint8Array): LuksHeader {
  if (bytes.length < 8 || !MAGIC.every((byte, at) => bytes[at] === byte)) throw luksError({ what: 'bad-magic' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(6) !== 1) throw luksError({ what: 'version', found: view.getUint16(6) });
  if (bytes.length < LUKS_HEADER_BYTES) throw luksError({ what: 'truncated' });
  const name = text(bytes, 8, 32, 'cipher name');
  const mode = text(bytes, 40, 32, 'cipher mode');
  const hash = text(bytes, 72, 32, 'hash spec');
  const header: LuksHeader = {
    cipher: parseCipherSpec(name, mode, view.getUint32(108)),
    hash: parseHash(hash),
    payloadOffset: view.getUint32(104) * CIPHER_SECTOR,
    digest: bytes.slice(112, 112 + DIGEST_BYTES),
    digestSalt: bytes.slice(132, 132 + SALT_BYTES),
    digestIterations: view.getUint32(164),
    uuid: printable(bytes.subarray(168, 208)),
    slots: Array.from({ length: SLOTS }, (_, slot) => parseSlot(view, bytes, slot)),
  };
  checkPlaces(header);
  return header;
}

/** Bytes of a header. */
export function encodeLuksHeader(header: LuksHeader): Uint8Array {
  const bytes = new Uint8Array(LUKS_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  const names = cipherNames(header.cipher);
  const put = (words: string, at: number): void => {
    bytes.set(new TextEncoder().encode(words), at);
  };
  bytes.set(MAGIC);
  view.setUint16(6, 1);
  put(names.name, 8);
  put(names.mode, 40);
  put(header.hash, 72);
  view.setUint32(104, header.payloadOffset / CIPHER_SECTOR);
  view.setUint32(108, header.cipher.keyBytes);
  bytes.set(header.digest, 112);
  bytes.set(header.digestSalt, 132);
  view.setUint32(164, header.digestIterations);
  put(header.uuid, 168);
  header.slots.forEach((slot, index) => {
    const at = FIRST_SLOT + index * SLOT_BYTES;
    view.setUint32(at, slot.active ? ACTIVE : INACTIVE);
    view.setUint32(at + 4, slot.iterations);
    bytes.set(slot.salt, at + 8);
    view.setUint32(at + 40, slot.offset / CIPHER_SECTOR);
    view.setUint32(at + 44, STRIPES);
  });
  return bytes;
}

/** Bytes of the key material of one slot: the split master key, filled up to whole sectors. */
export function materialBytes({ cipher }: Pick<LuksHeader, 'cipher'>): number {
  return Math.ceil((cipher.keyBytes * STRIPES) / CIPHER_SECTOR) * CIPHER_SECTOR;
}

function parseSlot(view: DataView, bytes: Uint8Array, slot: number): KeySlot {
  const at = FIRST_SLOT + slot * SLOT_BYTES;
  const state = view.getUint32(at);
  const stripes = view.getUint32(at + 44);
  if (stripes !== STRIPES) throw luksError({ what: 'slot-stripes', slot, found: stripes });
  if (state !== ACTIVE && state !== INACTIVE) throw luksError({ what: 'slot-state', slot });
  const iterations = view.getUint32(at + 4);
  if (state === ACTIVE && iterations === 0) throw luksError({ what: 'slot-iterations', slot });
  return { active: state === ACTIVE, iterations, salt: bytes.slice(at + 8, at + 8 + SALT_BYTES), offset: view.getUint32(at + 40) * CIPHER_SECTOR };
}

/** Header, key material and payload must not lie over each other: writing one would destroy another. */
function checkPlaces(header: LuksHeader): void {
  const { slots, payloadOffset } = header;
  if (header.digestIterations === 0) throw luksError({ what: 'key-iterations' });
  if (payloadOffset < 2 * CIPHER_SECTOR) throw luksError({ what: 'payload-in-header' });
  const length = materialBytes(header);
  slots.forEach(({ offset }, slot) => {
    if (offset < 2 * CIPHER_SECTOR) throw luksError({ what: 'slot-in-header', slot });
    if (offset + length > payloadOffset) throw luksError({ what: 'slot-in-payload', slot });
    for (let other = slot + 1; other < SLOTS; other++) {
      if (Math.abs(slots[other].offset - offset) < length) throw luksError({ what: 'slots-overlap', slot, other });
    }
  });
}

function text(bytes: Uint8Array, at: number, length: number, field: string): string {
  const end = bytes.indexOf(0, at);
  if (end < 0 || end >= at + length) throw luksError({ what: 'not-terminated', field });
  return printable(bytes.subarray(at, end));
}

/** ASCII up to a zero byte; what does not print becomes a question mark. */
function printable(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end)).replaceAll(/[^\x20-\x7e]/g, '?');
}
